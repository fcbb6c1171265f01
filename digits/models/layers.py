"""Layers and settings that several backbones share; torch only."""

from collections.abc import Callable, Sequence
from functools import partial
from math import gcd

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torchvision.ops import stochastic_depth as drop_branch

from digits.errors import DigitsError


class StridedPointwise(nn.Conv2d):
    """A 1 x 1 convolution of stride 2 without bias, computed at stride 1 on every second cell.

    Same weights, names and results as `nn.Conv2d(in_channels, out_channels, 1, 2, bias=False)`,
    whose backward pass in oneDNN (torch 2.15 on CPUs with AVX-512, channels last, 8 to 15 input
    channels) writes beyond its buffer. Other numbers of channels, such as the 256 and more in
    torchvision's ResNets, are not affected.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(avg_pool2d(x, 1, 2))  # cheaper to differentiate than slicing


class FrozenBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that always uses its running statistics and does not train.

    Its state dict has the names of `nn.BatchNorm2d`, unlike that of torchvision's
    FrozenBatchNorm2d, so a checkpoint fits either.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenBatchNorm":
        super().train(False)
        return self


def norm_layer(norm: str, pretrained: bool) -> Callable[[int], nn.Module]:
    """The normalisation layer of a network.

    Args:
        norm: `frozen` (running statistics; live without pretrained ones), `live`, or `group`
            (Wu & He 2018, arXiv 1803.08494; 32 groups, or the largest divisor that 32 and the
            channels share).
        pretrained: whether trained statistics are loaded.
    """
    layers: dict[str, Callable[[int], nn.Module]] = {
        "frozen": FrozenBatchNorm if pretrained else nn.BatchNorm2d,
        "live": nn.BatchNorm2d,
        "group": lambda channels: nn.GroupNorm(gcd(32, channels), channels),
    }
    return layers[norm]


def train_last(stages: Sequence[Sequence[nn.Module]], count: int, pretrained: bool) -> None:
    """Freeze all but the last `count` stages; a network without weights trains as a whole.

    Raises:
        DigitsError: `count` is negative or larger than the number of stages.
    """
    if not 0 <= count <= len(stages):
        raise DigitsError(
            f"backbone.trainable_layers={count}: expected 0 to {len(stages)}, the network's stages."
        )
    if pretrained:
        for stage in stages[: len(stages) - count]:
            for module in stage:
                module.requires_grad_(False)


def add_stochastic_depth(blocks: Sequence[nn.Module], last: str, probability: float) -> None:
    """Drop residual branches per photo in training, with a probability that grows with depth.

    Huang et al. 2016, arXiv 1603.09382.

    Args:
        blocks: residual blocks, in order.
        last: name of the last layer of a block's residual branch.
        probability: of dropping the last branch, in [0, 1); linear from 0 at the first.
    """

    def drop(_: nn.Module, __: object, branch: Tensor, block: nn.Module, rate: float) -> Tensor:
        kept: Tensor = drop_branch(branch, rate, "row", block.training)
        return kept

    for number, block in enumerate(blocks if probability else ()):
        # A hook, since a new module would rename the weights and pretrained ones would not fit.
        rate = probability * number / max(len(blocks) - 1, 1)
        block.get_submodule(last).register_forward_hook(partial(drop, block=block, rate=rate))
