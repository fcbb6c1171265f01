"""Code of a user's own: a backbone, an augmentation and a data set named by `_target_`."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, TINY_DATA, run_script

import digits
from digits import builders, own_code
from digits.errors import DigitsError

SOURCE = """
import pathlib
import torch
from torchvision.transforms import v2
from digits.data.synthetic import SyntheticDigits
from digits.models.backbone_spec import BackboneSpec, normalised_head
from pathlib import Path

class Features(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.out_channels = width
        self.layers = torch.nn.Conv2d(3, width, 8, stride=8)

    def forward(self, x):
        return {"0": self.layers(x)}

def tiny(width=8):
    return BackboneSpec(Features(width), strides=(8,), box_head=normalised_head(16))

def wrong_stride():
    return BackboneSpec(Features(8), strides=(4,))

def no_spec():
    return Features(8)

class Turned:
    def __init__(self, degrees=5.0):
        self.turn = v2.RandomRotation(degrees)

    def __call__(self, photo, target):
        return self.turn(photo, target)

class Mirrored:
    def __call__(self, photo, target):
        return torch.flip(photo, (2,)), target

class Data:
    def __init__(self, labels):
        self.photos, self.labels = SyntheticDigits(6), labels
        self.labelled, self.image_ids, self.paths = True, range(1, 7), ()
        self.size, self.file_name = self.photos.size, self.photos.file_name

    def __len__(self):
        return 6

    def __getitem__(self, index):
        photo, target = self.photos[index]
        return photo, target | {"labels": target["labels"] + self.labels}

def open_split(split, labels=0):
    return Data(labels)
"""
FILES = {
    "backbone/mine": "# @package _global_\nbackbone:\n  _target_: mynet.tiny\n  width: 8\n",
    "augmentation/mine": "_target_: mynet.Turned\ndegrees: 5.0\n",
    "data/mine": "_target_: mynet.open_split\n_partial_: true\n",
    "experiment/sly": "# @package _global_\ntrust: mynet\nbackbone:\n  _target_: mynet.tiny\n",
}
ALL = ("backbone=mine", "augmentation=mine", "data=mine")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user with mynet.py and YAML files, and the folder where commands are typed."""
    (tmp_path / "mynet.py").write_text(SOURCE)
    for name, text in FILES.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("mynet", None)


def run(name: str, own: Path, *overrides: str) -> Any:
    tiny = TINY if name == "train" else ("device=cpu", "num_workers=0")
    return run_script(name, own / name, *tiny, *overrides, f"--config-dir={own / 'conf'}")


@pytest.mark.slow
def test_an_own_backbone_augmentation_and_data_set_train_and_are_read_back(own: Path) -> None:
    done = run("train", own, *ALL, "trust=mynet")
    assert done.code == 0, done.err
    ckpt = own / "train" / "best.ckpt"
    read = run("predict", own, f"ckpt={ckpt}", "data=mine", "trust=mynet")
    assert read.code == 0, read.err
    assert len((own / "predict" / "numbers.csv").read_text().splitlines()) == 7

    refused = run("predict", own, f"ckpt={ckpt}", *TINY_DATA)
    assert refused.code == 1 and "trust=MODULE" in refused.err
    assert digits.load(ckpt, trust=["mynet"]).read(torch.zeros(3, 40, 60, dtype=torch.uint8))
    with pytest.raises(DigitsError, match="asks to run 'mynet.tiny' as model.backbone"):
        digits.load(ckpt)

    # A run does not remember whom it trusted: that is said anew.
    resume = (f"resume={own / 'train'}", "trainer.max_epochs=2", f"--config-dir={own / 'conf'}")
    refused = run_script("train", own / "train", *resume)
    assert refused.code == 1 and "add trust=mynet" in refused.err
    resumed = run_script("train", own / "train", *resume, "trust=mynet")
    assert resumed.code == 0 and "after 1 epochs" in resumed.out, resumed.err


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("backbone=mine",), "backbone._target_=mynet.tiny: code .* add trust=mynet"),
        (("augmentation=mine",), "augmentation._target_=mynet.Turned: code .* add trust=mynet"),
        (("data=mine",), "data._target_=mynet.open_split: code .* add trust=mynet"),
        (("experiment=sly",), "trust=mynet: set in a file"),
        (("trust=othernet",), "trust=othernet: cannot be imported from .*No module named"),
        (("trust=os",), "trust=os: a module of Python or of a library"),
        (("trust=torch.hub",), "trust=torch.hub: a module of Python or of a library"),
        (("trust=[my-net]",), "trust=my-net: expected the name of a module"),
        (("trust=mynet", "optimizer._target_=os.system"), "optimizer._target_=os.system: code"),
        (("trust=mynet", "backbone._target_=mynet.gone"), "mynet.gone: its module defines no"),
        (("trust=mynet", "backbone._target_=mynet.Path"), "mynet.Path: its module defines no"),
        (("backbone._target_=torchvision.models.resnet18",), "could be read back.* trust=MODULE"),
        (("trust=mynet", "backbone=mine", "~backbone.width", "+backbone.other=1"), "other"),
        (("trust=mynet", "backbone=mine", "~backbone.width",
          "backbone._target_=mynet.wrong_stride"), r"expected the maps .*16, 32.*got .*8, 16"),
        (("trust=mynet", "backbone=mine", "~backbone.width",
          "backbone._target_=mynet.no_spec"), "expected a BackboneSpec, got a Features"),
        (("trust=mynet", "augmentation=mine", "~augmentation.degrees",
          "augmentation._target_=mynet.Mirrored"), "mynet.Mirrored left boxes beside the digits"),
        (("trust=mynet", "data=mine", "+data.labels=5"),
          "Data, photo .*: expected labels of the digit . 1, got"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_training(
    own: Path, overrides: tuple[str, ...], says: str
) -> None:
    outcome = run("train", own, *overrides)
    assert outcome.code == 1 and re.search(says, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (own / "train" / "config.yaml").exists()


MINE = {"_target_": "digits.models.detector.build_detector", "min_size": 48,
        "backbone": {"_target_": "mynet.tiny"}}  # fmt: skip


def test_a_file_runs_only_what_a_trusted_module_defines_itself(own: Path) -> None:
    trust = own_code.import_trusted("mynet")
    assert builders.build_model(MINE, trust) is not None
    for name in ("mynet.pathlib.Path.touch", "mynet.Path", "mynet.SOMETHING", "mynet", "mynetx.f"):
        canary = own / "canary"
        bad = MINE | {"backbone": {"_target_": name, "args": [str(canary)]}}
        with pytest.raises(DigitsError, match="asks to run"):
            builders.build_model(bad, trust)
        assert not canary.exists()
    nested = MINE | {"backbone": {"_target_": "mynet.tiny", "width": {"_target_": "mynet.tiny"}}}
    with pytest.raises(DigitsError, match="asks to run"):
        builders.build_model(nested, trust)
