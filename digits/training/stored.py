"""The stored state of a run, and whether anything is left to train."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from digits import checkpoint_file, outputs
from digits.errors import DigitsError
from digits.shapes import convert
from digits.training.saving import tensors

_Count = Annotated[int, Meta(ge=0)]


class _Progress(msgspec.Struct):
    processed: _Count


class _EpochProgress(msgspec.Struct):
    current: _Progress


class _FitLoop(msgspec.Struct):
    progress: _EpochProgress = msgspec.field(name="epoch_progress")


class _Loops(msgspec.Struct):
    fit_loop: _FitLoop


class _Training(msgspec.Struct):
    """What Lightning stores of a training in progress: the parts that a resumed one needs."""

    epoch: _Count
    global_step: _Count
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+")] = msgspec.field(
        name="pytorch-lightning_version"
    )
    loops: _Loops
    callbacks: dict[str, dict[str, Any]]
    optimizer_states: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=1)]
    lr_schedulers: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=1)]


@dataclass(frozen=True)
class Stored:
    """The state of a run in its last.ckpt.

    Args:
        path: of the checkpoint.
        epochs: that are done.
        steps: that are done.
        seconds: that they took; 0 where the checkpoint does not say.
        description: our part of the checkpoint (`digits.checkpoint_file.describe`).
        differing: settings that differ from the run's, and may.
    """

    path: Path
    epochs: int
    steps: int
    seconds: float
    description: dict[str, Any]
    differing: tuple[str, ...] = ()

    def lies_in(self, folder: Path) -> bool:
        """Whether a folder is the run's own."""
        return self.path.resolve().parent == folder.resolve()

    def details(self) -> dict[str, str]:
        """For the banner."""
        where = f"{self.path}, after {self.epochs} epochs, {self.steps} steps"
        differs = {"differs": "; ".join(self.differing)} if self.differing else {}
        return {"goes on from": where, **differs}

    def refuse_other_photos(self, digest: str) -> None:
        """Compare the digest of the training photos with the run's.

        Raises:
            DigitsError: they differ.
        """
        if self.description.get("photos", digest) != digest:
            raise DigitsError(
                f"{self.path}: trained on other photos than data.* names now: other files, sizes "
                "or counts. Name its own, or begin a new run from its weights: "
                f"backbone.weights={self.path}."
            )

    def is_trained(
        self, trainer: Mapping[str, Any], budget: float | None, folder: Path, go_on: str
    ) -> bool:
        """Whether only the scoring of this run, in its own folder, is left.

        Args:
            trainer: arguments of the Trainer.
            budget: seconds of its `max_time`.
            folder: that the run writes into.
            go_on: the command that goes on with it.

        Raises:
            DigitsError: nothing is left to do.
        """
        spent = self._spent(trainer, budget)
        if spent is None:
            return False
        if self.lies_in(folder) and not self._is_scored():
            return True
        limit, longer = spent
        raise DigitsError(
            f"{self.path}: nothing is left to train: {limit}. To go on for longer: {go_on} {longer}"
        )

    def _spent(self, trainer: Mapping[str, Any], budget: float | None) -> tuple[str, str] | None:
        epochs, steps = trainer["max_epochs"], trainer["max_steps"]
        if epochs is not None and 0 <= epochs <= self.epochs:
            limit = f"{self.epochs} epochs are done, trainer.max_epochs={epochs}"
            return limit, f"trainer.max_epochs={max(2 * self.epochs, 1)}"
        if 0 <= steps <= self.steps:
            limit = f"{self.steps} steps are done, trainer.max_steps={steps}"
            return limit, f"trainer.max_steps={2 * self.steps}"
        if budget is not None and budget <= self.seconds:
            limit = f"trainer.max_time={trainer['max_time']} is spent"
            return limit, f"trainer.max_time={_as_time(2 * self.seconds)}"
        return None

    def _is_scored(self) -> bool:
        path = self.path.with_name(outputs.METRICS)
        try:
            return bool(json.loads(path.read_bytes())["epochs"] == self.epochs)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def read_stored(path: Path, key: str = "ckpt_path") -> Stored:
    """Read what a run can go on from.

    Args:
        path: of a run's folder or its last.ckpt.
        key: that named it, for messages.

    Raises:
        DigitsError: missing, not ours, without the state of the training, or not finite.
    """
    path = path / outputs.LAST if path.is_dir() else path
    content = checkpoint_file.read(path, key, dict)
    if "optimizer_states" not in content:
        raise DigitsError(
            f"{key}={path}: holds no optimizer (best.ckpt is stripped when a run ends); "
            "resume from last.ckpt."
        )
    training = convert(content, _Training, f"{key}={path}: not the state of a training")
    weights = {part: content[part] for part in ("state_dict", "optimizer_states")}
    for name, value in tensors(weights):
        if value.is_floating_point() and not value.isfinite().all():
            raise DigitsError(f"{key}={path}: not finite: {name} holds NaN or infinity.")
    elapsed = training.callbacks.get("Timer", {}).get("time_elapsed", {})
    seconds = elapsed.get("train", 0.0) if isinstance(elapsed, dict) else 0.0
    epochs = training.loops.fit_loop.progress.current.processed
    return Stored(path, epochs, training.global_step, seconds, content[checkpoint_file.KEY])


def _as_time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24:02}:{hours % 24:02}:{minutes:02}:{seconds:02}"
