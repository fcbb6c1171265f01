"""Types shared by the declarations of settings."""

from typing import Annotated, Any, TypedDict

from msgspec import Meta

NotNegative = Annotated[float, Meta(ge=0, le=1.0e30)]  # neither NaN nor infinity
Amount = Annotated[float, Meta(ge=0, le=10)]  # of a change: fractions, tangents, digit heights
Share = Annotated[float, Meta(ge=0, le=1)]
Part = Annotated[float, Meta(gt=0, le=1)]
Count = Annotated[int, Meta(ge=1, le=1 << 53)]
Index = Annotated[int, Meta(ge=0, le=1 << 53)]
Seed = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
Pixels = Annotated[int, Meta(ge=1, le=4096)]
Channels = Annotated[int, Meta(ge=1, le=4096)]
Kept = Annotated[int, Meta(ge=1, le=100_000)]  # boxes or anchors: more takes memory, finds nothing
Batch = Annotated[int, Meta(ge=1, le=65_536)]  # photos at once
Photos = Annotated[int, Meta(ge=1, le=10_000_000)]
Processes = Annotated[int, Meta(ge=0, le=256)]
Ratio = Annotated[float, Meta(ge=0.001, le=1000)]
Size = Annotated[float, Meta(ge=0.1, le=100_000)]  # of anchors, pixels
Batches = Count | Part  # so many, or this share of an epoch

PATH, DURATION = "a path", "a duration as DD:HH:MM:SS"  # titles of kinds of text
File = Annotated[str, Meta(title=PATH, min_length=1)]
"""A file or folder: taken as it is typed, with spaces, brackets or digits alone."""
Files = File | Annotated[list[File], Meta(min_length=1)]

Group = dict[str, Any]
"""Another group, checked by its own declaration."""


class Nothing(TypedDict, total=False):
    """No settings at all."""
