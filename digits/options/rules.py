"""Rules that types cannot express: settings that exclude one another, special values."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

Settings = Mapping[str, Any]
Misfits = Iterator[tuple[str, str]]
"""The setting that does not fit, and what was expected."""

_DURATION = re.compile(r"([0-9]{1,9}):([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})")
_CENTURY = timedelta(days=36_500)
_DEVICES = re.compile(r"auto|-1|[1-9]\d{0,3}|\d+(,\d+)+,?|\d+,")


def _trainer(settings: Settings) -> Misfits:
    for key in ("max_epochs", "max_steps"):
        if settings.get(key) == 0:
            yield key, "at least 1, or -1 for no bound: nothing would be trained"
    devices = settings.get("devices")
    if devices in (0, []) or (isinstance(devices, str) and not _DEVICES.fullmatch(devices)):
        yield "devices", "a number of devices, auto, -1 for all, or a list such as [0,1]"
    time = settings.get("max_time")
    if time is not None and not timedelta() < _duration(time) <= _CENTURY:
        yield "max_time", "a duration above 0 as DD:HH:MM:SS, such as 00:00:20:00"
    precision = str(settings.get("precision"))
    if precision in ("16-true", "bf16-true", "64-true", "64"):
        yield "precision", "32-true, bf16-mixed or 16-mixed: boxes in pixels want 32 bits"
    strategy = settings.get("strategy")
    if isinstance(strategy, Mapping) and strategy.get("start_method", "popen") != "popen":
        yield "strategy", "a start_method of popen: what is trained cannot be sent to processes"
    elif isinstance(strategy, Mapping) and "_target_" not in strategy:
        yield "strategy", "auto, ddp, or the _target_ of a strategy"
    for least, most in (
        ("min_epochs", "max_epochs"),
        ("min_steps", "max_steps"),
        ("check_val_every_n_epoch", "max_epochs"),
    ):
        if 0 < (settings.get(most) or 0) < (settings.get(least) or 0):
            yield least, f"at most trainer.{most}={settings[most]}"
    check = settings.get("val_check_interval")
    if isinstance(check, str | dict) and _duration(check) <= timedelta():
        yield "val_check_interval", "batches, a share of an epoch, or a duration as DD:HH:MM:SS"
    elif isinstance(check, float) and settings.get("check_val_every_n_epoch", 1) is None:
        yield "val_check_interval", "whole batches where trainer.check_val_every_n_epoch=null"
    batches = settings.get("limit_train_batches")
    if isinstance(check, int) and isinstance(batches, int) and check > batches:
        yield "val_check_interval", f"at most trainer.limit_train_batches={batches}"


def _duration(time: object) -> timedelta:
    """What Lightning makes of `max_time`; nothing where it makes nothing of it."""
    match = _DURATION.fullmatch(time) if isinstance(time, str) else None
    names = ("days", "hours", "minutes", "seconds")
    parts = dict(zip(names, map(int, match.groups()), strict=True)) if match else time
    try:
        return timedelta(**parts) if isinstance(parts, dict) else timedelta()
    except (TypeError, OverflowError):
        return timedelta()


def _detector(settings: Settings) -> Misfits:
    for part, (background, digit) in {"rpn": (0.3, 0.7), "box": (0.5, 0.5)}.items():
        low, high = f"{part}_bg_iou_thresh", f"{part}_fg_iou_thresh"
        if settings.get(low, background) > settings.get(high, digit):
            yield low if low in settings else high, f"{low} of at most {high}"


def _adamw(settings: Settings) -> Misfits:
    if settings.get("fused") and settings.get("foreach"):
        yield "fused", "false beside optimizer.foreach=true"


def _sgd(settings: Settings) -> Misfits:
    yield from _adamw(settings)
    if settings.get("nesterov") and not settings.get("momentum"):
        yield "momentum", "above 0 with Nesterov's method (optimizer.nesterov=true)"
    if settings.get("nesterov") and settings.get("dampening"):
        yield "dampening", "0 with Nesterov's method (optimizer.nesterov=true)"


def _color_jitter(settings: Settings) -> Misfits:
    for key, bounds in settings.items():
        if isinstance(bounds, list) and bounds[0] > bounds[1]:
            yield key, "the lower bound first"


def _mixed(settings: Settings) -> Misfits:
    if not any(share > 0 for share in settings.get("shares", {}).values()):
        yield "shares", "at least one share above 0"


RULES: dict[str, Callable[[Settings], Misfits]] = {
    "lightning.Trainer": _trainer,
    "digits.models.detector.build_detector": _detector,
    "torch.optim.AdamW": _adamw,
    "torch.optim.SGD": _sgd,
    "digits.data.mixed.open_split": _mixed,
    "torchvision.transforms.v2.ColorJitter": _color_jitter,
}
