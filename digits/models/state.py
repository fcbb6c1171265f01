"""Check state dicts from files before memory is allocated for them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from digits.errors import DigitsError
from digits.misfits import shown

State = dict[str, Tensor]

_MAX_NAMED = 3  # names in a message
_INITIALISERS = {"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "kaiming_normal_"}


class WithoutRandomWeights(TorchFunctionMode):
    """Builds networks without initialising their weights.

    On the meta device, where there are none, drawing loads torch's compiler for three seconds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        values = kwargs or {}
        if getattr(func, "__name__", "") in _INITIALISERS:
            return args[0] if args else values["tensor"]
        return func(*args, **values)


def to_state(content: object, where: str) -> State:
    """Check a state dict, and remove the prefix `model.` of its names.

    Args:
        content: what a file holds where weights belong.
        where: that was, for messages.

    Raises:
        DigitsError: not names with dense tensors of real numbers, each with memory of its own.
    """
    if not isinstance(content, dict) or not content:
        raise DigitsError(f"{where}: expected a state dict (names to tensors).")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise DigitsError(
                f"{where}: expected a state dict (names to tensors), got {shown(name)}: {kind}."
            )
        if value.layout != torch.strided or value.device.type != "cpu" or not _is_real(value):
            raise DigitsError(f"{where}: {shown(name)}: expected a dense tensor of real numbers.")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise DigitsError(
                f"{where}: {shown(name)} of shape {tuple(value.shape)} repeats few numbers; "
                "expected as many as it has places."
            )
    return {name.removeprefix("model."): value for name, value in content.items()}


def misfits(state: Mapping[str, Tensor], network: nn.Module) -> str:
    """Describe differences in names, shapes and dtypes; empty where the weights fit.

    Half precision fits single precision, which it becomes.

    Args:
        state: weights by name.
        network: may be on the meta device.
    """
    own = network.state_dict()
    problems = [f"lacks {name}" for name in own if name not in state]
    problems += [f"has {shown(name)}, as the network has not" for name in state if name not in own]
    problems += [
        f"{name}: expected {_kind(own[name])}, got {_kind(value)}"
        for name, value in state.items()
        if name in own and _kind(own[name]) != _kind(value)
    ]
    more = f" (and {len(problems) - _MAX_NAMED} more)" if len(problems) > _MAX_NAMED else ""
    return "; ".join(problems[:_MAX_NAMED]) + more


def load_weights(build: Callable[[], nn.Module], content: object, changed: str = "") -> nn.Module:
    """A network with a checkpoint's weights; half precision becomes the network's own.

    Args:
        build: the network; called twice, first on the meta device to compare names and shapes
            before memory is taken.
        content: the checkpoint's state dict.
        changed: what was changed in the network, for messages.

    Raises:
        DigitsError: they do not fit.
    """
    state = to_state(content, "The checkpoint")
    with torch.device("meta"), WithoutRandomWeights():
        reason = misfits(state, build())
    if reason:
        raise DigitsError(f"The checkpoint's weights do not fit its network{changed}: {reason}.")
    network = build()
    network.load_state_dict(state)
    return network


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Refuse NaN and infinity, which a training that diverged leaves.

    Raises:
        DigitsError: names the first tensor that has some.
    """
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise DigitsError(
                f"{where}: weights that are not finite ({shown(name)}: NaN or infinity); take the "
                "checkpoint of an earlier epoch."
            )


def _is_real(value: Tensor) -> bool:
    return not (value.is_complex() or value.is_quantized)


def _kind(value: Tensor) -> str:
    return f"{tuple(value.shape)} {'' if value.is_floating_point() else 'whole '}numbers"
