"""Report settings that have no effect in combination with others."""

from collections.abc import Mapping, Sequence
from typing import Any

from digits.cli.locking import is_first_process
from digits.cli.words import Word, split
from digits.console import console
from digits.errors import DigitsError

# What only one task of train.py looks at.
_OF_TASK = {
    "detector": ("model", "backbone", "reading", "backbone_lr_factor"),
    "recognizer": ("recognizer", "recognition"),
}
BARE: dict[str, Any] = {
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": 0,
    "fast_dev_run": False,
    "detect_anomaly": False,
    "profiler": None,
}
"""What Lightning refuses beside barebones=true, though it is set: all that takes time."""
# What a switch of Lightning's Trainer, if it is set, decides in the place of others.
_OF_SWITCH = {
    "fast_dev_run": (
        "max_epochs", "min_epochs", "max_steps", "min_steps", "limit_train_batches",
        "limit_val_batches", "val_check_interval", "check_val_every_n_epoch",
        "num_sanity_val_steps", "log_every_n_steps", "enable_checkpointing",
    ),
    "overfit_batches": ("limit_train_batches", "limit_val_batches"),
    "barebones": tuple(BARE),
}  # fmt: skip
# What decides about detections, and so is nothing to those that were made before.
_DETECTING = ("photos", "data", "split", "recognizer", "inference", "tta", "precision")


def refuse_without_effect(
    words: Sequence[str],
    members: int,
    files: bool,
    fit: str | None,
    scales: Sequence[float],
    photos: bool = False,
) -> None:
    """Refuse settings on the command line that would have no effect; of a data set beside photos
    tell.

    Args:
        words: of the command line, each KEY=VALUE.
        members: checkpoints at each scale, or files of detections.
        files: whether members are files of detections.
        fit: the fusion.json in use.
        scales: of the checkpoints' input sizes.
        photos: whether `photos` are read, so that a data set is there to fit a fusion alone.

    Raises:
        DigitsError: names the first, why it has no effect, and what to say instead.
    """
    for word in _typed(words):
        group, _, key = word.key.partition(".")
        if group in _DETECTING and files:
            raise DigitsError(
                f"{word}: without effect, since detections= were made before; leave it out, or say "
                "ckpt= instead of detections=."
            )
        if photos and (group == "split" or (group == "data" and (fit or members == 1))):
            # The command that a training prints names its data; photos= may be added to it.
            console.print(f"{word}: without effect, since photos= says what is read.")
        if group != "fusion" or key == "fit" or str(word) == "fusion=wbf":
            continue
        if fit:
            raise DigitsError(
                f"{word}: without effect, since {fit} says how members are fused; leave it out, or "
                "say fusion.fit=null."
            )
        if members == 1 and not files and word.value != "none":
            raise DigitsError(
                f"{word}: without effect, since one checkpoint has nothing to fuse; leave it out, "
                "or name several: ckpt=[a/best.ckpt,b/best.ckpt]."
            )
    if members == 1 and not files and not fit and scales[0] != 1:
        raise DigitsError(
            f"tta.scales={list(scales)}: one scale has nothing to fuse; add others, such as "
            f"[1,{scales[0]:g}], or say inference.min_size= for one other input size."
        )


def tell_without_effect(words: Sequence[str], task: str) -> None:
    """Say which settings on the command line of train.py its task does not use."""
    of_others = {group for other, groups in _OF_TASK.items() if other != task for group in groups}
    for word in _typed(words):
        if word.key.partition(".")[0] in of_others and is_first_process():
            console.print(f"{word}: without effect on task={task}.")


def tell_of_switches(words: Sequence[str], trainer: Mapping[str, Any]) -> None:
    """Say which settings of the Trainer on the command line others of it leave without effect.

    Args:
        words: of the command line, each KEY=VALUE.
        trainer: arguments of the Trainer.
    """
    for word in _typed(words):
        group, _, key = word.key.partition(".")
        reason = _reason(key, trainer) if group == "trainer" else None
        if reason and is_first_process():
            console.print(f"{word}: without effect, since {reason}.")


def _reason(key: str, trainer: Mapping[str, Any]) -> str | None:
    """Why a setting of the Trainer has no effect beside others; None: it has."""
    for switch, replaced in _OF_SWITCH.items():
        if trainer.get(switch) and key in replaced:
            return f"trainer.{switch} decides"
    if key == "gradient_clip_algorithm" and not trainer.get("gradient_clip_val"):
        return "trainer.gradient_clip_val is not set"
    alone = trainer.get("devices") == 1 and trainer.get("num_nodes") == 1
    if key in ("sync_batchnorm", "use_distributed_sampler") and alone:
        return "one process trains"
    if key == "default_root_dir":
        return "all files of a run go to output_dir"
    return None


def _typed(words: Sequence[str]) -> list[Word]:
    """The settings as typed, without the prefix that was added for Hydra."""
    return [split(text)._replace(prefix="") for text in words]
