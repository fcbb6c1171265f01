"""The networks that read a row of digits as text; torch only.

Both take crops, uint8 or float `(B, 3, 48, W)`, RGB in 0..255, and give logits `(B, T, 11)` for
CTC: class 0 is the blank, class 1..10 the label (digit + 1), and T is about W / 8. What they say of
a crop depends on its padding, so crops of one batch should be of one width (`crops.to_batches`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.models.layers import FrozenBatchNorm
from digits.models.ppocr import TextFPN
from digits.recognition.crops import HEIGHT
from digits.types import NUM_CLASSES

_NECK = 120  # channels of PP-OCRv6's attention blocks
_FLAT = 8.0  # (grey levels) of contrast, below which noise is not blown up


class _Attention(nn.Module):
    """Multi-head self-attention over the frames of a row, as PP-OCR stores it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, channels = x.shape
        parts = self.qkv(x).reshape(batch, frames, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, frames, channels))
        return y


class _Transformer(nn.Module):
    """A block of attention and of two layers for each frame, both normalised before."""

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = _Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.layers = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.SiLU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.layers(self.norm2(x))
        return y


class PPOCRRecognizer(nn.Module):
    """The whole network that PP-OCRv6 (small) reads lines of text with.

    Args:
        classes: of the head: blank and ten digits, or PP-OCR's 18,710 characters.
        dropout: (probability) before the head, in training.
    """

    def __init__(self, classes: int = NUM_CLASSES, dropout: float = 0.0) -> None:
        super().__init__()
        body = TextFPN(out_channels=8, stages=3)
        self.stem, self.stages = body.stem, body.stages
        self.pool = nn.AvgPool2d((3, 2))
        self.skip, self.enter = (_normalised(nn.Conv2d(384, _NECK, 1, bias=False)) for _ in "12")
        mix = nn.Conv2d(_NECK, _NECK, (1, 7), padding=(0, 3), groups=_NECK, bias=False)
        self.mix = _normalised(mix)
        self.blocks = nn.Sequential(_Transformer(_NECK), _Transformer(_NECK))
        self.norm = nn.LayerNorm(_NECK, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(_NECK, classes)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.stem(crops.to(self.head.weight.dtype) / 127.5 - 1)
        for stage in self.stages:
            x = stage(x)
        x = self.pool(x)
        skip, x = self.skip(x), self.enter(x)
        x = (x + self.mix(x)).squeeze(2).transpose(1, 2)
        x = self.norm(self.blocks(x)) + skip.squeeze(2).transpose(1, 2)
        logits: Tensor = self.head(self.dropout(x))
        return logits


class SmallRecognizer(nn.Module):
    """A few convolutions from scratch, 0.8 million weights, for those without PP-OCR's.

    Crops are brought to one mean and contrast, and layers are normalised by batch: without, CTC's
    loss stays for long where no digit is told from another (docs/decisions.md, "Second reader").

    Args:
        widths: channels of the stem and of three stages of two layers; each halves the height, all
            but the last the width.
        dropout: (probability) before the head, in training.
    """

    def __init__(self, widths: Sequence[int] = (16, 48, 96, 160), dropout: float = 0.1) -> None:
        super().__init__()
        stem, *stages = widths
        layers, entering = [_convolution(3, stem, (2, 2))], stem
        for width, stride in zip(stages, ((2, 2), (2, 2), (2, 1)), strict=True):
            layers += [_convolution(entering, width, stride), _convolution(width, width)]
            entering = width
        self.body = nn.Sequential(*layers)
        self.mix = _convolution(entering, entering, kernel=(HEIGHT // 16, 3), padding=(0, 1))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(entering, NUM_CLASSES)

    def forward(self, crops: Tensor) -> Tensor:
        x = crops.to(self.head.weight.dtype)
        x = x - x.mean((1, 2, 3), keepdim=True)
        x = x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + _FLAT)
        x = self.mix(self.body(x.contiguous(memory_format=torch.channels_last)))
        logits: Tensor = self.head(self.dropout(x.squeeze(2).transpose(1, 2)))
        return logits


def _convolution(
    entering: int,
    leaving: int,
    stride: tuple[int, int] = (1, 1),
    kernel: tuple[int, int] = (3, 3),
    padding: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    # Slow: the last crops of each step are those of the rarest width.
    norm = nn.BatchNorm2d(leaving, momentum=0.02)
    conv = nn.Conv2d(entering, leaving, kernel, stride, padding, bias=False)
    return nn.Sequential(conv, norm, nn.ReLU(inplace=True))


def _normalised(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, FrozenBatchNorm(conv.out_channels), nn.SiLU())


@torch.no_grad()
def keep_digits(network: PPOCRRecognizer, digits: Sequence[int]) -> None:
    """Cut the head to the blank (class 0) and ten digits.

    Args:
        network: with PP-OCR's head of all characters.
        digits: the classes there of the digits 0 to 9.
    """
    chosen = [0, *digits]
    head = nn.Linear(_NECK, len(chosen))
    head.weight.copy_(network.head.weight[chosen])
    head.bias.copy_(network.head.bias[chosen])
    network.head = head
