"""Going on with a run: what its last.ckpt holds, which settings differ, and what cannot work."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta

from digits import checkpoint
from digits.errors import DigitsError

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
    """A run as far as its last.ckpt goes.

    Args:
        path: of the checkpoint.
        epochs: that are done.
        steps: that are done.
        seconds: that they took; 0 where the checkpoint does not say.
        description: our part of the checkpoint (`digits.checkpoint.describe`).
    """

    path: Path
    epochs: int
    steps: int
    seconds: float
    description: dict[str, Any]


def read_stored(ckpt_path: str | Path, key: str = "ckpt_path") -> Stored:
    """Read what a run can go on from.

    Args:
        ckpt_path: a run's folder or its last.ckpt.
        key: that named it, for messages.

    Raises:
        DigitsError: missing, not ours, without the state of the training, or not finite.
    """
    path = Path(ckpt_path)
    path = path / "last.ckpt" if path.is_dir() else path
    content = checkpoint.read(path, key, dict)
    if "optimizer_states" not in content:
        raise DigitsError(
            f"{key}={path}: holds no optimizer (best.ckpt is stripped when a run ends); "
            "resume from last.ckpt."
        )
    try:
        training = msgspec.convert(content, _Training, strict=True)
    except msgspec.ValidationError as error:
        raise DigitsError(
            f"{key}={path}: not the state of a training: {error}. Resume from a last.ckpt that "
            "train.py wrote."
        ) from error
    for name, value in _tensors({part: content[part] for part in ("state_dict", "optimizer_states")}):
        if value.is_floating_point() and not value.isfinite().all():
            raise DigitsError(f"{key}={path}: not finite: {name} holds NaN or infinity.")
    elapsed = training.callbacks.get("Timer", {}).get("time_elapsed", {})
    seconds = elapsed.get("train", 0.0) if isinstance(elapsed, dict) else 0.0
    epochs = training.loops.fit_loop.progress.current.processed
    return Stored(path, epochs, training.global_step, seconds, content[checkpoint.KEY])


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name.lstrip("."), value
    elif isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _tensors(item, f"{name}.{key}")


# What the state in a checkpoint belongs to: with anything else it does not fit, or is not used.
_KEPT = (
    "task", "backbone.", "backbone_lr_factor", "optimizer.", "recognizer.network.", "data.",
    "model._target_", "model.min_size", "model.max_size", "model.anchor", "model.aspect_ratios",
    "model.roi_side", "model.shared_box", "callbacks.average",
)  # fmt: skip
_FREE = ("backbone.weights", "callbacks.average.decay")  # of these, what may change all the same
_OWN = ("run_dir", "output_dir", "ckpt_path", "resume", "num_workers")  # of every start its own


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Settings that differ from those of the run, as `key: {was} -> {is}`, by dotted key."""
    before, after = _flat(stored), _flat(now)
    return {
        key: f"{key} {before.get(key, 'not set')} -> {after.get(key, 'not set')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in _OWN
    }


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    # Paths into the run's own folder differ wherever it is; `model.backbone` repeats `backbone`.
    leaves: dict[str, Any] = {}
    folder = str(config.get("run_dir"))

    def visit(value: Any, name: str) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                visit(item, f"{name}.{key}" if name else str(key))
        elif not name.startswith("model.backbone.") and value != folder:
            leaves[name] = value

    visit(dict(config), "")
    return leaves


def refuse_other_settings(run: Stored, config: Mapping[str, Any]) -> list[str]:
    """Compare the settings with those that a run was trained with.

    Returns:
        Those that differ and may.

    Raises:
        DigitsError: those that differ and can't work.
    """
    differing = differences(run.description["config"], config)
    kept = [
        text
        for key, text in differing.items()
        if f"{key}.".startswith(_KEPT) or key.startswith(_KEPT)
        if not key.startswith(_FREE) and not _is_root(key)
    ]
    if kept:
        raise DigitsError(
            f"{run.path}: a run goes on with the network, optimizer and photos it began with; "
            f"these settings differ: {'; '.join(kept[:6])}{' ...' if len(kept) > 6 else ''}. Take "
            "them back (resume=RUN takes all settings from the run), or begin a new run from its "
            f"weights: backbone.weights={run.path}."
        )
    return list(differing.values())


def _is_root(key: str) -> bool:
    return key.startswith("data.") and key.endswith(".root") or key == "data.root"


def refuse_other_photos(run: Stored, digest: str) -> None:
    """Compare the digest of the photos with the run's.

    Raises:
        DigitsError: they differ.
    """
    before = run.description.get("photos")
    if before is not None and before != digest:
        raise DigitsError(
            f"{run.path}: trained on other photos than data.* now names: other files, sizes or "
            f"counts. Name its own, or begin a new run: backbone.weights={run.path}."
        )


def nothing_left(run: Stored, trainer: Mapping[str, Any], seconds: float | None) -> str | None:
    """Why a run has nothing more to train, and the setting that lets it; None: it has.

    Args:
        run: from `read_stored`.
        trainer: arguments of the Trainer.
        seconds: its `max_time`.
    """
    epochs, steps = trainer["max_epochs"], trainer["max_steps"]
    if epochs is not None and 0 <= epochs <= run.epochs:
        more = max(2 * run.epochs, 1)
        return f"{run.epochs} epochs of trainer.max_epochs={epochs}; trainer.max_epochs={more}"
    if 0 <= steps <= run.steps:
        return f"{run.steps} steps of trainer.max_steps={steps}; trainer.max_steps={2 * run.steps}"
    if seconds is not None and run.seconds >= seconds:
        return f"trainer.max_time={trainer['max_time']} is spent; trainer.max_time=DD:HH:MM:SS"
    return None
