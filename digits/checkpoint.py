"""Load the checkpoint of a detector, rebuild its network and reader, finalize it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct
from torch import Tensor, nn

from digits import builders, fingerprints, shapes, torch_files
from digits.checkpoint_file import KEY, read
from digits.errors import DigitsError, told_of
from digits.models.anchor_heights import auto_heights
from digits.models.state import check_finite, load_weights
from digits.reading import Reader
from digits.reading.base import ReaderState


class _Model(Struct):
    backbone: dict[str, Any]
    min_size: Any


class _Detector(Struct):
    """The configuration of a detector's run; `digits.builders` checks its parts."""

    model: _Model
    reading: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of a detector.

    Attributes:
        path: of its file.
        content: a Lightning checkpoint with our description (`digits.checkpoint_file`).
    """

    path: Path
    content: dict[str, Any]

    @property
    def description(self) -> dict[str, Any]:
        """What the checkpoint says of itself; plain data."""
        description: dict[str, Any] = self.content[KEY]
        return description

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration of its run."""
        config: dict[str, Any] = self.description["config"]
        return config

    @property
    def state_dict(self) -> dict[str, Tensor]:
        """Weights by name, as in the file."""
        state: dict[str, Tensor] = self.content["state_dict"]
        return state

    @cached_property
    def weights_sha256(self) -> str:
        """Tells its weights from others'."""
        return fingerprints.of_weights(self.state_dict)

    @property
    def reader_state(self) -> ReaderState | None:
        """What its reader was fitted to on valid; None where nothing was."""
        return self.description.get("reader")

    @property
    def refine(self) -> bool:
        """Whether the boxes of pred.json score better refined, as valid decided."""
        return bool(self.description.get("refine", False))

    def rebuild(
        self, overrides: Mapping[str, Any] | None = None, trust: Sequence[str] = ()
    ) -> nn.Module:
        """The trained detector in evaluation mode, from the checkpoint alone.

        Args:
            overrides: arguments of `build_detector` to replace, such as `box_score_thresh`.
            trust: modules whose functions it may name as its backbone (`digits.own_code`).

        Raises:
            DigitsError: weights that do not fit the network.
        """
        settings = self.model_settings(overrides)
        changed = f", changed by inference={overrides}" if overrides else ""
        with told_of(f"ckpt={self.path}"):
            return load_weights(
                lambda: builders.build_model(settings, trust), self.state_dict, changed
            ).eval()

    def rebuild_reader(self, reader: Reader | None = None) -> Reader:
        """A reader with what was fitted to the checkpoint's detections on valid.

        Args:
            reader: another than the one that the detector was trained with.
        """
        with told_of(f"ckpt={self.path}"):
            unfitted = reader or builders.build_reader(self.config["reading"])
            return unfitted.load_state(self.reader_state)

    def header(
        self, overrides: Mapping[str, Any] | None = None, recognizers: Sequence[str] = ()
    ) -> dict[str, Any]:
        """What `detections.json` says of its origin: checkpoint, digests of weights and settings.

        Args:
            overrides: arguments of the detector that were replaced.
            recognizers: digests of the recognisers that read the photos' rows.
        """
        return {
            "checkpoint": str(self.path),
            "weights_sha256": self.weights_sha256,
            "config_digest": fingerprints.of_data(self.model_settings(overrides)),
            "recognizers": list(recognizers),
            "class_names": self.description["class_names"],
            "versions": self.description["versions"],
        }

    def model_settings(self, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The arguments of the detector, some of them replaced."""
        config = dict(self.config["model"])
        if config.get("anchor_heights") == "auto":
            # At another input size digits have other sizes; what an anchor was trained on has not.
            config["anchor_heights"] = list(auto_heights(config["min_size"]))
        return config | dict(overrides or {})


def load(path: Path) -> Checkpoint:
    """Read the checkpoint of a detector on the CPU; an older format with the current names.

    Raises:
        DigitsError: as `digits.checkpoint_file.read`; not of a detector, or weights that are not
            finite.
    """
    loaded = Checkpoint(path, read(path, "ckpt", builders.migrate))
    if loaded.config.get("task") == "recognizer":
        raise DigitsError(f"ckpt={path}: not a checkpoint of a detector; say recognizer={path}.")
    shapes.convert(loaded.config, _Detector, f"ckpt={path}")
    with told_of(f"ckpt={path}"):
        builders.check(loaded.config)
    check_finite(loaded.state_dict, f"ckpt={path}")
    return loaded


def finalize(
    loaded: Checkpoint,
    metrics: Mapping[str, Any],
    reader: ReaderState | None,
    refine: bool,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Rewrite the file of a finished checkpoint: final metrics and the fitted reader in, optimizer
    and second weights out.

    Such a file is a quarter of the size; a run is resumed from `last.ckpt`.

    Args:
        loaded: the checkpoint.
        metrics: figures by name.
        reader: `digits.reading.Reader.state`.
        refine: whether refined boxes score better on valid.
        overrides: arguments of the detector that it keeps from now on.
    """
    final: dict[str, Any] = {"metrics": dict(metrics), "reader": reader, "refine": refine}
    if overrides:
        final["config"] = loaded.config | {"model": loaded.model_settings(overrides)}
    lean: dict[str, Any] = {KEY: loaded.description | final, "state_dict": loaded.state_dict}
    for kept in ("epoch", "global_step", "pytorch-lightning_version"):
        lean[kept] = loaded.content.get(kept)
    torch_files.save(lean, loaded.path)
