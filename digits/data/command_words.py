"""The arguments of predict.py that select a data set."""

import shlex
from collections.abc import Mapping
from typing import Any

_ANY = "photos=FOLDER"  # of a source that no command names


def data_words(data: Mapping[str, Any], split: str = "test") -> str:
    """The arguments of predict.py that read a configuration's data set.

    Args:
        data: the group `data`; of a mixture, the source that its scores are of counts.
        split: of the photos.

    Returns:
        Words for a shell, such as `data=coco data.root=DIR split=test`.
    """
    if "evaluate_on" in data:
        return data_words(data.get(str(data["evaluate_on"]), {}), split)
    module, _, function = str(data.get("_target_", "")).rpartition(".")
    package, _, name = module.rpartition(".")
    if (package, function) != ("digits.data", "open_split"):
        return _ANY
    words = [f"data={name}"]
    if data.get("root") is not None:
        words.append(f"data.root={data['root']}")
    return " ".join(map(shlex.quote, [*words, f"split={split}"]))
