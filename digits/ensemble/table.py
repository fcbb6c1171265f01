"""Print the table of a fusion."""

from rich.table import Table

from digits.console import console
from digits.ensemble.recipe import Recipe
from digits.ensemble.stored import FUSION


def show(recipe: Recipe) -> None:
    """Print what every member and the fusion are worth on valid, and what is taken from whom."""
    if recipe.table:
        table = Table(title="on valid, cross-fitted", title_justify="left")
        table.add_column("member", overflow="fold")
        columns = ("weight", "mAP", "refined", "averaged", "number accuracy", "coverage at 98 %")
        for name in columns:
            table.add_column(name, justify="right")
        weights = recipe.fusion.weights if recipe.fusion else ()
        shown = [f"{w:g}" for w in weights] + [""] * len(recipe.table)
        keys = ("map_raw", "map_refined", "map_averaged", "number_accuracy", "coverage_at_98")
        for row, weight in zip(recipe.table, shown, strict=False):
            table.add_row(row["name"], "" if row["name"] == FUSION else weight,
                          *(f"{row[key]:.4f}" if key in row else "" for key in keys))  # fmt: skip
        console.print(table)
    if recipe.fusion:
        used = recipe.fusion
        console.print(f"fusion: wbf, IoU {used.iou:g}, score floor {used.score_floor:g}")
    for line in recipe.choices():
        console.print(line)
