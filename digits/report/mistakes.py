"""Classify the mistakes in a number: digits missed, invented, confused, or in another order."""

from difflib import SequenceMatcher

from digits.types import NO_NUMBER

MISSED, INVENTED, CONFUSED, ORDER = KINDS = ("missed", "invented", "confused", "order")


def mistakes(number: str, truth: str) -> list[str]:
    """The `KINDS` of mistakes that turn the true number into the one read, none where it is right.

    Args:
        number: as read; `-1` or empty for none.
        truth: empty where there are no digits.
    """
    read = "" if number == NO_NUMBER else number
    if read == truth:
        return []
    if sorted(read) == sorted(truth):
        return [ORDER]
    found = set()
    matcher = SequenceMatcher(None, truth, read, autojunk=False)
    for what, start, end, read_start, read_end in matcher.get_opcodes():
        true_digits, read_digits = end - start, read_end - read_start
        if what == "replace":
            found.add(CONFUSED)
        if true_digits > read_digits:
            found.add(MISSED)
        if true_digits < read_digits:
            found.add(INVENTED)
    return [kind for kind in KINDS if kind in found]
