"""Suggest the setting that a misspelt key most likely means."""

import difflib
from collections.abc import Sequence

# Names that other tools have for what is called otherwise here.
_ALIASES = {
    "epoch": "trainer.max_epochs",
    "epochs": "trainer.max_epochs",
    "learning_rate": "optimizer.lr",
    "checkpoint": "ckpt",
    "weights": "ckpt",
    "model": "ckpt",
    "image": "photos",
    "images": "photos",
    "input": "photos",
    "folder": "photos",
    "dataset": "data",
    "imgsz": "model.min_size",
    "out": "output_dir",
    "output": "output_dir",
    "source": "photos",
    "gpus": "trainer.devices",
    "workers": "num_workers",
    "patience": "trainer.max_epochs",
}


def nearest(key: str, known: Sequence[str]) -> str | None:
    """The setting or group that `key` most likely means; None where none is similar.

    Args:
        key: as typed, such as `epochs` or `trainer.max_epoch`.
        known: dotted keys; of equally good ones the first wins.
    """
    key = key.lower()
    parents = {name.rpartition(".")[0] for name in known}
    leaves = [name for name in known if name not in parents]
    group, _, last = key.rpartition(".")
    # Settings of the group that was named come first.
    leaves.sort(key=lambda name: name.rpartition(".")[0] != group)
    same = [name for name in leaves if _last(name) == last]
    alias = [_ALIASES[last]] if _ALIASES.get(last) in known else []
    close = difflib.get_close_matches(key, known, 1, 0.75)
    within = sorted(
        (name for name in leaves if set(_words(last)) <= set(_words(_last(name)))),
        key=lambda name: (name.rpartition(".")[0] != group, len(_words(_last(name)))),
    )
    like = difflib.get_close_matches(last, [_last(name) for name in leaves], 1, 0.7)
    alike = [name for name in leaves if _last(name) in like]
    parts = difflib.get_close_matches(last, [w for n in leaves for w in _words(_last(n))], 1, 0.8)
    partly = [name for name in leaves if set(parts) & set(_words(_last(name)))]
    return next(iter([*alias, *same, *close, *within, *alike, *partly]), None)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _words(name: str) -> list[str]:
    return name.split("_")
