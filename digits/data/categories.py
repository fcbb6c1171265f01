"""Map the categories of a data set to digits, by their names."""

import re
from collections.abc import Iterable, Mapping

from digits.errors import DigitsError
from digits.types import NUM_CLASSES

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NAME = re.compile(rf"(?:(?:digit|number)[\s_-]*)?([0-9]|{'|'.join(_WORDS)})", re.IGNORECASE)


def labels_by_category(
    names: Mapping[int, str], used: Iterable[int], where: object
) -> dict[int, int]:
    """Category ids to labels 1..10 (the digit + 1).

    Args:
        names: of the categories by id; empty where the file names none. Ids are then the course's.
        used: ids that boxes have; others, such as a super-category of all, do not matter.
        where: the names came from, for messages.

    Raises:
        DigitsError: a category of a box that is missing or that is not named like a digit; two
            that are named like the same one.
    """
    labels = {category: _label(category, names, where) for category in used}
    first: dict[int, int] = {}
    for category, label in labels.items():
        if (other := first.setdefault(label, category)) != category:
            raise DigitsError(
                f"{where}: categories {other} ({names[other][:60]!r}) and {category} "
                f"({names[category][:60]!r}) are the same digit; expected one category for each: "
                "rename one, or give its boxes the other's id."
            )
    return labels


def _label(category: int, names: Mapping[int, str], where: object) -> int:
    if not names:
        if not 1 <= category < NUM_CLASSES:
            raise DigitsError(
                f"{where}: category_id {category}: expected 1..10 (digit = category_id - 1), since "
                "the file names no categories."
            )
        return category
    if category not in names:
        raise DigitsError(
            f"{where}: category_id {category} of a box is not among the categories "
            f"({', '.join(map(str, sorted(names)[:12]))})."
        )
    found = _NAME.fullmatch(names[category].strip())
    if not found:
        raise DigitsError(
            f"{where}: category {category} is named {names[category][:60]!r}; expected a digit "
            "(0..9) or its English word (zero..nine): rename the category."
        )
    text = found[1].lower()
    return (int(text) if text.isdecimal() else _WORDS.index(text)) + 1
