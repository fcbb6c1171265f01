"""Kinds of values that settings share."""

from typing import Annotated, Any

from msgspec import Meta

_LARGEST = 1.0e30

Number = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]  # neither NaN nor infinity
NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST)]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Part = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1 << 53)]
Index = Annotated[int, Meta(ge=0, le=1 << 53)]
Seed = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Pixels = Annotated[int, Meta(ge=1, le=4096)]
Batches = Count | Part  # so many, or this share of an epoch

PATH, DURATION = "a path", "a duration as DD:HH:MM:SS"  # titles of kinds of text
File = Annotated[str, Meta(title=PATH, min_length=1)]
"""A file or folder: taken as it is typed, with spaces, brackets or digits alone."""
Files = File | list[File]

Group = dict[str, Any]
"""Another group, checked by its own declaration."""
