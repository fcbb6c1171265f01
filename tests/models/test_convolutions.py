"""The backward pass of every kind of convolution, in a process of its own that may crash.

A library's kernel that writes beyond its buffers ends the process: see `StridedPointwise`.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import nn

from benchmarks.settings import train_config
from digits.models.layers import StridedPointwise

ROOT = Path(__file__).parents[2]
MAX_CHANNELS = 400  # in + out: larger layers take long; those of stride 2 are run all the same
MORE = {"small_fpn": [{"widths": [8, 16, 24, 32]}], "ppocr_fpn": [{"stages": 3}]}


def layers() -> Iterator[nn.Conv2d]:
    """The convolutions of all backbones, without the time and memory that weights take."""
    for path in sorted((ROOT / "conf" / "backbone").glob("*.yaml")):
        if path.stem == "timm" and importlib.util.find_spec("timm") is None:
            continue
        config = train_config(f"backbone={path.stem}")["backbone"] | {"weights": "none"}
        for changes in ({}, *MORE.get(path.stem, ())):
            with torch.device("meta"):
                features = instantiate(config | changes, _convert_="all").features
            yield from (m for m in features.modules() if isinstance(m, nn.Conv2d))


def run_all() -> None:
    """Print each distinct kind of layer, then run it forwards and backwards."""
    torch.set_num_threads(1)
    kinds = {(type(layer), str(layer)): layer for layer in layers()}
    for layer in kinds.values():
        strided = layer.kernel_size == (1, 1) and layer.stride == (2, 2)
        if not strided and layer.in_channels + layer.out_channels > MAX_CHANNELS:
            continue
        print(layer, flush=True)
        layer.to_empty(device="cpu").to(memory_format=torch.channels_last).requires_grad_()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
        # Photos of 160 x 384 pixels at stride 4: what has crashed.
        size = (40, 96) if layer.in_channels < 64 else (10, 24)
        for _ in range(3):
            x = torch.randn(1, layer.in_channels, *size)
            x = x.to(memory_format=torch.channels_last).requires_grad_()
            layer(x).sum().backward()
            _ = [torch.randn(n) for n in (10, 100, 1000, 10_000)]  # meets what was overwritten
    print("kinds:", len(kinds))


def test_no_backward_pass_corrupts_memory() -> None:
    environment = os.environ | {"MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    child = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=120
    )
    printed = child.stdout.splitlines()
    assert child.returncode == 0, f"ended by {printed[-1:]}: {child.stderr[-2000:]}"
    assert int(printed[-1].removeprefix("kinds: ")) > 50


def test_a_strided_pointwise_layer_equals_a_strided_convolution() -> None:
    for height, width in ((40, 96), (39, 95), (1, 1), (7, 2)):
        ours, theirs = StridedPointwise(24, 48), nn.Conv2d(24, 48, 1, 2, bias=False)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, 24, height, width).to(memory_format=torch.channels_last)
        torch.testing.assert_close(ours(x), theirs(x))


if __name__ == "__main__":
    run_all()
