"""Plain data to change at random."""

from typing import Any


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in plain data: what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in pairs:
        found.append((value, key))
        if isinstance(item, dict | list):
            found += places(item)
    return found
