"""Metrics of whole numbers: accuracy and digit error rate."""

from collections.abc import Sequence

from digits.types import NO_NUMBER


def number_figures(numbers: Sequence[str], truths: Sequence[str]) -> dict[str, float]:
    """Digit-sequence accuracy and digit error rate; both 0 without photos.

    Args:
        numbers: as read in N photos; `-1` stands for no digit.
        truths: the N true numbers, empty for none; leading zeros count.

    Returns:
        `number_accuracy`: share of photos whose whole number is right, the leaderboard's figure.
        `digit_error_rate`: edit distance (insertions, deletions, substitutions) summed over photos
        / true digits, the counterpart of the word error rate.

    Raises:
        ValueError: the sequences have different lengths.
    """
    from torchmetrics.functional.text.edit import edit_distance  # takes 2 s to import

    # "-1" is the format's word for nothing: two characters, no digits.
    read = ["" if number == NO_NUMBER else number for number in numbers]
    right = sum(number == truth for number, truth in zip(read, truths, strict=True))
    edits = float(edit_distance(read, list(truths), reduction="sum")) if read else 0.0
    return {
        "number_accuracy": right / max(len(read), 1),
        "digit_error_rate": edits / max(sum(map(len, truths)), 1),
    }
