import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fuzzing import places
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import resources
from digits.ensemble.recipe import Recipe
from digits.errors import DigitsError
from digits.reading import CalibratedReader

SHIPPED = json.loads((resources.CHECKPOINTS / "fusion.json").read_text())
MEMBERS = SHIPPED["members"]
READER = SHIPPED["readers"]["fusion"]
FUSED = SHIPPED["fusion"]


def load(folder: Path, content: object) -> Recipe:
    path = folder / "fusion.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return Recipe.load(path).for_members(MEMBERS, path)


def reader(**changes: Any) -> dict[str, Any]:
    return SHIPPED | {"readers": {"fusion": READER | changes}}


def fusion(**changes: Any) -> dict[str, Any]:
    return SHIPPED | {"fusion": FUSED | changes}


BAD: list[tuple[object, str]] = [
    ("", "not JSON"),
    ("[" * 100_000, "fusion.json"),
    ("[]", "expected named values"),
    *(({k: v for k, v in SHIPPED.items() if k != name}, f"lacks '{name}'") for name in (
        "members", "fusion", "boxes", "numbers", "refine", "readers", "table")),
    (SHIPPED | {"aura": 1}, "unknown name 'aura'"),
    *((SHIPPED | {"members": v}, "members") for v in (
        None, 3, [], ["a"], [{}], MEMBERS[:2] + MEMBERS[:1], [MEMBERS[0] | {"name": 3}],
        [MEMBERS[0] | {"name": "fusion"}])),
    *((SHIPPED | {name: v}, name) for name in ("boxes", "numbers") for v in (None, 3, "gone")),
    (SHIPPED | {"fusion": None}, "numbers: taken from the fusion, but there is none"),
    *((SHIPPED | {"refine": v}, "refine: expected true or false") for v in (None, 1, "yes")),
    *((SHIPPED | {"fusion": v}, "fusion: expected named values") for v in (3, [], "wbf")),
    *((fusion(weights=v), "weight") for v in (
        None, 1, [], [0, 0, 0], [1, 1], [1, 1, -1], ["1", 1, 1], [1, 1, 1e300], [1, True, 1])),
    *((fusion(iou=v), "fusion.iou: expected a number") for v in (None, "0.5", 1, -0.1, True)),
    *((fusion(score_floor=v), "fusion.score_floor: expected") for v in (None, "0", 1.0, -1)),
    (fusion(method="nms"), "fusion.method: expected one of the known names, got 'nms'"),
    (fusion(aura=1), "fusion: has the unknown name 'aura'"),
    *((SHIPPED | {"folds": v}, "folds|weight per member") for v in (
        None, 3, [3], [FUSED | {"iou": 2}], [FUSED | {"weights": [1]}])),
    *((SHIPPED | {"table": v}, "table") for v in (
        None, 3, [3], [{}], [{"name": "gone"}], [{"name": "small", "map_raw": [1]}])),
    *((SHIPPED | {"digest": v}, "digest: expected text") for v in (None, 3)),
    (SHIPPED | {"average": 1}, "average: expected true or false"),
    (SHIPPED | {"average": True, "boxes": "fusion"}, "average: expected boxes of a member"),
    *((SHIPPED | {"readers": v}, "readers") for v in (None, 3, [], {"gone": None}, {"fusion": 3})),
    *((reader(weights=v), "weights") for v in (
        None, "x", [], [[1.0]] * 3, READER["weights"][:2], [["x"] * 13] * 3)),
    *((reader(spread=v), "spread") for v in ([0.0] * 13, [1.0] * 12, None, [-1.0] * 13)),
    *((reader(mean=v), "mean") for v in ([None] * 13, [0.0] * 14)),
    *((reader(bias=v), "bias") for v in ([0.0], ["a", "b", "c"])),
    *((reader(number=v), "number") for v in (None, [1.0], [1.0, "x"], "xy")),
    *((reader(score_scale=v), "score_scale") for v in (0, -1, "1", None)),
    *((reader(photos=v), "photos") for v in ("many", -1, 1.5, None)),
    *((reader(features=v), "features|length") for v in (
        None, "score", [3], READER["features"][1:])),
    *((reader(settings=v), "settings") for v in (
        None, {}, READER["settings"] | {"aura": 1}, READER["settings"] | {"nms_iou": 7})),
    *((reader(texts=v), "texts") for v in (
        3, {}, READER["texts"] | {"weights": [1.0]}, READER["texts"] | {"number": [1.0]})),
    (json.dumps(reader(number=[float("nan"), 0.0])), "NaN at byte"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "says"), BAD, ids=range(len(BAD)))
def test_whatever_does_not_fit_is_one_line(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(DigitsError, match=says) as caught:
        load(tmp_path, content)
    text = str(caught.value)
    assert text.startswith(f"fusion.fit={tmp_path / 'fusion.json'}: not a fusion.json")
    assert "\n" not in text and len(text) < 500


def test_what_ships_and_what_older_versions_wrote_is_read(tmp_path: Path) -> None:
    fused = {"fusion": FUSED | {"weights": tuple(FUSED["weights"])}}
    assert load(tmp_path, SHIPPED).to_json() == {"average": False} | SHIPPED | fused
    older = deepcopy(SHIPPED) | {"fusion": FUSED | {"method": "wbf"}}
    for row in older["table"]:
        row["map"] = row.pop("map_raw")
    for name in ("folds", "digest", "average"):
        older.pop(name, None)
    assert load(tmp_path, older).table == SHIPPED["table"]


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
ITEMS = (
    PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=ITEMS)
def test_a_changed_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: Any
) -> None:
    content = deepcopy(SHIPPED)
    holder, key = data.draw(st.sampled_from(places(content)))
    if data.draw(st.booleans()):
        holder[key] = value
    else:
        del holder[key]
    try:
        recipe = load(tmp_path_factory.getbasetemp(), content)
        for state in recipe.readers.values():
            CalibratedReader().load_state(state)
        said = ""
    except DigitsError as error:
        said = str(error)
    assert "\n" not in said
