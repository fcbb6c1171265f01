"""Compare the settings of a resumed run with those it was started with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.errors import DigitsError

# What the state in a checkpoint belongs to: with anything else it does not fit, or is not used.
_FIXED = (
    "task", "backbone.", "backbone_lr_factor", "optimizer.", "recognizer.network.", "data.",
    "model._target_", "model.min_size", "model.max_size", "model.anchor", "model.aspect_ratios",
    "model.roi_side", "model.shared_box", "callbacks.average",
)  # fmt: skip
# Of these, what may change all the same.
_CHANGEABLE = ("backbone.weights", "callbacks.average.decay")
# What every start has of its own.
_PER_START = ("run_dir", "output_dir", "ckpt_path", "resume", "num_workers")


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Settings that differ from those of the run, as `key: {was} -> {is}`, by dotted key."""
    before, after = _flat(stored), _flat(now)
    return {
        key: f"{key} {before.get(key, 'not set')} -> {after.get(key, 'not set')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in _PER_START
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


def refuse_other_settings(
    path: Path, stored: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """Compare settings with those that a run was trained with.

    Args:
        path: of the run's checkpoint.
        stored: the run's settings.
        now: those that it shall go on with.

    Returns:
        Those that differ and may.

    Raises:
        DigitsError: those that differ and can't work.
    """
    differing = differences(stored, now)
    kept = [
        text
        for key, text in differing.items()
        if f"{key}.".startswith(_FIXED) or key.startswith(_FIXED)
        if not key.startswith(_CHANGEABLE) and not _is_root(key)
    ]
    if kept:
        raise DigitsError(
            f"{path}: a run goes on with the network, optimizer and photos it began with; "
            f"these settings differ: {'; '.join(kept[:6])}{' ...' if len(kept) > 6 else ''}. Take "
            "them back (resume=RUN takes all settings from the run), or begin a new run from its "
            f"weights: backbone.weights={path}."
        )
    return list(differing.values())


def _is_root(key: str) -> bool:
    return (key.startswith("data.") and key.endswith(".root")) or key == "data.root"
