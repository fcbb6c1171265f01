"""Settings are checked before torch is imported: what is refused, what is said, what is let in."""

import importlib
import inspect
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from digits.cli.schema import COMMANDS, check, is_path
from digits.cli.settings import checked
from digits.cli.words import Word, as_path, parse, split
from digits.errors import DigitsError
from digits.options.checking import TARGETS, declared
from digits.options.expected import in_words
from digits.resources import CONF


def compose(command: str, *words: str, sweep: bool = False) -> Any:
    return checked(command, words, str(CONF), sweep=sweep)[1]


@cache
def plain(command: str, *groups: str) -> dict[str, Any]:
    config = compose(command, *groups)
    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    return OmegaConf.to_container(own, resolve=True)


def misfit(command: str, *words: str) -> str:
    """What is said of values, without composing anew for each."""
    parsed = [parse(split(word)) for word in words]
    groups = [str(o.input_line) for o in parsed if (CONF / o.key_or_group).is_dir()
              and isinstance(o.value(), str) and "." not in o.key_or_group]  # fmt: skip
    config = deepcopy(plain(command, *groups))
    for override in parsed:
        if override.input_line in groups:
            continue
        *path, last = override.key_or_group.split(".")
        node = config
        for name in path:
            node = node[name]
        value = override.value()
        new = OmegaConf.to_container(OmegaConf.create({"it": value}))["it"]
        node[last] = (
            node[last] | new if isinstance(new, dict) and isinstance(node.get(last), dict) else new
        )
    with pytest.raises(DigitsError) as caught:
        check(config, command)
    return str(caught.value)


def refusal(command: str, *words: str, sweep: bool = False) -> str:
    with pytest.raises(DigitsError) as caught:
        compose(command, *words, sweep=sweep)
    line = str(caught.value)
    assert "\n" not in line and "To append" not in line and "Hydra" not in line, line
    return line


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "null", "[1]", "true", "nan"])
@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("train", "batch_size"),
        ("train", "data.train_count"),
        ("train", "model.anchors"),
        ("train", "model.min_size"),
        ("train", "trainer.accumulate_grad_batches"),
        ("train", "backbone.out_channels"),
        ("predict", "batch_size"),
        ("predict", "inference.min_size"),
    ],
)
def test_a_count_is_a_whole_number_above_0(command: str, key: str, value: str) -> None:
    if (key, value) in (("model.min_size", "[1]"), ("inference.min_size", "[1]")):
        return  # several sizes, of which training draws one
    line = misfit(command, f"{key}={value}")
    assert line.startswith(f"{key}={value}: expected a whole number "), line


@pytest.mark.parametrize("value", ["abc", "nan", "inf", "-1", "[1]", "{a:1}", "null", "true"])
@pytest.mark.parametrize(
    "key",
    [
        "optimizer.lr",
        "optimizer.weight_decay",
        "scheduler.start",
        "backbone_lr_factor",
        "augmentation.photometric.noise",
        "model.zoom.margin",
        "callbacks.average.decay",
    ],
)
def test_a_number_is_finite_and_not_negative(key: str, value: str) -> None:
    assert misfit("train", f"{key}={value}").startswith(f"{key}={value}: expected a number ")


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [
        ("train", ["seed=abc"], "seed=abc: expected a whole number from 0 to 4294967295."),
        ("train", ["seed=4294967296"], "seed=4294967296: expected a whole number from 0 to 4"),
        ("train", ["num_workers=-1"], "num_workers=-1: expected a whole number from 0 to 256 or "),
        ("train", ["trainer.max_time=20"], "trainer.max_time=20: expected a duration as DD:HH:MM"),
        ("train", ["trainer.max_time=99999999999:00:00:00"], "trainer.max_time=99999999999:00:00"),
        ("train", ["trainer.max_time={days:99999999999}"], "trainer.max_time={days:99999999999}:"),
        ("train", ["trainer.max_time={weak:1}"], "trainer.max_time={weak:1}: expected a duration"),
        ("train", ["trainer.devices=1000000000"], "trainer.devices=1000000000: expected "),
        ("train", ["trainer.devices='1000000000'"], "trainer.devices=1000000000: expected "),
        ("train", ["trainer.max_time=banana"], "trainer.max_time=banana: expected a duration "),
        ("train", ["trainer.max_time=00:00:00:00"], "trainer.max_time=00:00:00:00: expected a du"),
        ("train", ["trainer.max_epochs=0"], "trainer.max_epochs=0: expected at least 1, or -1"),
        ("train", ["trainer.devices=abc"], "trainer.devices=abc: expected a number of devices"),
        ("train", ["trainer.precision=7"], "trainer.precision=7: expected one of 16, 32, "),
        ("train", ["trainer.profiler=banana"], "trainer.profiler=banana: expected one of adv"),
        ("train", ["trainer.limit_train_batches=2.5"], "trainer.limit_train_batches=2.5: expec"),
        (
            "train",
            ["trainer.val_check_interval=5", "trainer.limit_train_batches=2"],
            "trainer.val_check_interval=5: expected at most trainer.limit_train_batches=2.",
        ),
        (
            "train",
            ["++trainer.limit_test_batches=1"],
            "trainer.limit_test_batches=1: expected null: train.py does not read test photos",
        ),
        ("train", ["trainer.strategy=ddp_spawn"], "trainer.strategy=ddp_spawn: expected one of"),
        ("train", ["trainer.strategy={start_method:fork}"], "trainer.strategy={start_method:fork}"),
        ("train", ["trainer.strategy={a:1}"], "trainer.strategy={a:1}: expected auto, ddp, or the"),
        ("train", ["trainer.min_epochs=31"], "trainer.min_epochs=31: expected at most trainer.max"),
        (
            "train",
            ["+trainer.min_steps=9", "trainer.max_steps=8"],
            "trainer.min_steps=9: expected at mo",
        ),
        (
            "train",
            ["augmentation=color_jitter", "augmentation.hue=-0.1"],
            "augmentation.hue=-0.1: exp",
        ),
        (
            "train",
            ["augmentation=color_jitter", "augmentation.contrast=[1.2,0.8]"],
            "augmentation.contrast=[1.2,0.8]: expected the lower bound first.",
        ),
        ("train", ["trainer.check_val_every_n_epoch=31"], "trainer.check_val_every_n_epoch=31: ex"),
        (
            "train",
            ["trainer.val_check_interval=abc"],
            "trainer.val_check_interval=abc: expected ba",
        ),
        ("train", ["trainer.check_val_every_n_epoch=null"], "trainer.val_check_interval=1.0: expe"),
        ("train", ["+optimizer.capturable=true"], "optimizer.capturable=true: expected false."),
        ("train", ["+optimizer.fused=true", "+optimizer.foreach=true"], "optimizer.fused=true: e"),
        ("train", ["batch_size=9007199254740992"], "batch_size=9007199254740992: expected a whole"),
        ("train", ["callbacks.best=3"], "callbacks.best=3: expected named settings or null."),
        ("train", ["data=mixed", "data.shares.real=-1"], "data.shares.real=-1: expected a number"),
        ("train", ["trainer.bogus=1"], "trainer.bogus=1: there is no such setting; trainer has "),
        ("train", ["+trainer.bogus=1"], "trainer.bogus=1: there is no such setting; "),
        ("train", ["optimizer=sgd", "optimizer.momentum=0"], "optimizer.momentum=0: expected ab"),
        (
            "train",
            ["optimizer._target_=os.system"],
            "optimizer._target_=os.system: code from outside digits; expected another",
        ),
        ("train", ["data=mixed", "data.shares=null"], "data.shares=null: expected named settings"),
        (
            "train",
            ["data=mixed", "data.shares={real:0,synthetic:0}"],
            "data.shares={real:0,synthetic:0}: ",
        ),
        ("train", ["data=coco", "data.root=[a]"], "data.root=[a]: expected a path or null."),
        (
            "train",
            ["backbone=resnet50_fpn", "backbone.stochastic_depth=1"],
            "backbone.stochastic_depth=1: expected a number of at least 0",
        ),
        ("train", ["backbone=resnet50_fpn", "backbone.norm=batch"], "backbone.norm=batch: exp"),
        (
            "train",
            ["backbone=ppocr_fpn", "backbone.stages=4"],
            "backbone.stages=4: expected 2 or 3",
        ),
        ("train", ["model.box_voting=1"], "model.box_voting=1: expected a number"),
        ("train", ["model.backbone=null"], "model.backbone=null: expected named settings."),
        ("train", ["model.aspect_ratios=[0]"], "model.aspect_ratios=[0]: expected a list of 1 to "),
        (
            "train",
            ["model.zoom.min_score=2"],
            "model.zoom.min_score=2: expected a number above 0 a",
        ),
        ("train", ["model.zoom=3"], "model.zoom=3: expected named settings or null."),
        ("train", ["backbone=timm", "backbone.name=3"], "backbone.name=3: expected text."),
        ("train", ["+data._args_=[x]"], "data._args_=[x]: expected arguments by their names."),
        ("train", ["optimizer.lr=${scheduler}"], "optimizer.lr=${scheduler}: expected a number"),
        ("train", ["callbacks.best.mode=up"], "callbacks.best.mode=up: expected max or min."),
        ("train", ["augmentation.zoom_in=0.5"], "augmentation.zoom_in=0.5: expected a number fro"),
        ("train", ["map_backend=matlab"], "map_backend=matlab: expected faster_coco_eval or py"),
        ("train", ["task=recognizer", "recognizer.jitter.part_p=2"], "recognizer.jitter.part_p=2"),
        ("predict", ["tta.scales=[0]"], "tta.scales=[0]: expected a list of at least 1, each a n"),
        ("predict", ["tta.scales=[]"], "tta.scales=[]: expected a list"),
        ("predict", ["fusion.weights=atuo"], "fusion.weights=atuo: expected "),
        ("predict", ["fusion.method=nms"], "fusion.method=nms: expected none or wbf."),
        ("predict", ["submission.min_confidence=2"], "submission.min_confidence=2: expected a num"),
        ("predict", ["pictures=some"], "pictures=some: expected one of all, doubtful, none."),
        ("predict", ["fusion.iou=abc"], "fusion.iou=abc: expected a number from 0 to 1."),
        ("predict", ["reading.min_photos=-1"], "reading.min_photos=-1: expected a whole number "),
        ("predict", ["inference.zoom={min_score:5}"], "inference.zoom.min_score=5: expected a nu"),
        ("predict", ["inference=3"], "inference=3: expected named settings."),
        (
            "predict",
            ["+inference._target_=os.system"],
            "inference._target_=os.system: code from outside digits; expected another",
        ),
        ("predict", ["submission.refine=x"], "submission.refine=x: expected true or false or auto"),
        ("predict", ["split=banana"], "split=banana: expected "),
        ("predict", ["photos=''"], "photos='': expected a path or "),
        ("predict", ["ckpt={a:1}"], "ckpt={a:1}: expected a path or "),
        ("predict", ["detections=[]"], "detections=[]: expected a path or a list of at least 1"),
        ("predict", ["output_dir=null"], "output_dir=null: expected a path."),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(command: str, words: list[str], line: str) -> None:
    assert misfit(command, *words).startswith(line)


@pytest.mark.parametrize(
    ("command", "word", "says"),
    [
        ("train", "optimzer=sgd", "did you mean optimizer?"),
        ("train", "epochs=3", "did you mean trainer.max_epochs?"),
        ("predict", "PHOTOS=x", "did you mean photos?"),
        ("train", "~optimizer", "cannot be left out; choose another, optimizer=OPTION"),
        ("train", "~seed", "cannot be left out; say seed=VALUE"),
        ("train", "hydra.searchpath=3", "hydra.searchpath must be a list of strings. Got: 3"),
        ("train", "trainer.inference_mode=false", "expected true: Lightning validates"),
        ("train", "~nothing", "~nothing: there is no such setting"),
        ("train", "optimizer=[sgd,adamw]", "expected one option, as optimizer=OPTION"),
        ("train", "recognition=small", "only task=recognizer has it; say task=recognizer recogn"),
        ("train", "optimizer.betas.0=1", "there is no such setting; did you mean optimizer.betas"),
        ("train", "seed=range(0,3,0)", "expected a step other than 0"),
        ("train", "seed=glob(*)", "a pattern names options of a group"),
        ("train", "backbone=glob(z*)", "fits none of convnext_base_fpn, "),
        ("train", "seed=${nope}", "Interpolation key 'nope' not found"),
        ("train", "seed=range(1,0)", "expected 1 to 10000 values, a job each, got none"),
        ("train", "seed=range(0,100000000)", "expected 1 to 10000 values, a job each, got more"),
        ("train", "~batch_size=8", "cannot be left out; say batch_size=VALUE"),
        ("train", "~trainer.max_time", "cannot be left out; say trainer.max_time=VALUE"),
        ("predict", "~submission.refine", "cannot be left out"),
        ("train", "lr=1", "did you mean optimizer.lr?"),
        ("train", "trainer.max_epoch=3", "did you mean trainer.max_epochs?"),
        ("train", "batchsize=3", "did you mean batch_size?"),
        ("train", "+epochs=3", "did you mean trainer.max_epochs?"),
        ("train", "optimizer.learning_rate=1", "did you mean optimizer.lr?"),
        ("train", "data.root=x", "did you mean data.root with data=coco?"),
        ("train", "model.box_score_treshold=1", "did you mean model.box_score_thresh?"),
        ("predict", "model.zoom=null", "did you mean inference.zoom?"),
        ("predict", "trainer.max_epochs=3", "predict.py --help lists all."),
        ("train", "backbone=resnet", "resnet50_fpn_v2_frozen, small_fpn"),
        ("train", "optimizer=adam", "expected one of adamw, sgd. Did you mean optimizer=adamw?"),
        ("train", "experiment=reprot", "Did you mean experiment=report?"),
        ("train", "hydra/launcher=nope", "expected one of basic, joblib"),
        ("train", "data.valid_count", "data.valid_count: expected a setting, as KEY=VALUE"),
        ("train", "batch_size=1,2", "several values are a sweep, a job each: add -m"),
        ("train", "augmentation.rotate=a(b", "want quotes of its own"),
        ("predict", "data=mnist", "expected one of coco, mixed, svhn, synthetic"),
        ("predict", "backbone=vgg16", "predict.py has no such group; it has "),
        ("predict", "checkpoint=a", "did you mean ckpt?"),
        ("predict", "images=a", "did you mean photos?"),
        ("predict", "photos=~/no photos", "wants quotes within the shell's: \"photos='~/no"),
        ("predict", "treshold=1", "did you mean reading.score_threshold?"),
    ],
)
def test_a_typing_error_is_told_what_was_meant(command: str, word: str, says: str) -> None:
    line = refusal(command, word)
    assert line.startswith(word.lstrip("+").partition("=")[0]) and says in line, line


@pytest.mark.parametrize(
    ("command", "words", "key", "value"),
    [
        ("train", ["trainer.num_nodes=2"], "trainer.num_nodes", 2),
        ("train", ["trainer.enable_progress_bar=false"], "trainer.enable_progress_bar", False),
        ("train", ["trainer.max_time=00:00:20:00"], "trainer.max_time", "00:00:20:00"),
        ("train", ["trainer.devices=[0,1]"], "trainer.devices", [0, 1]),
        ("train", ["model.image_mean=[0,0,0]"], "model.image_mean", [0, 0, 0]),
        ("train", ["+model.rpn_nms_thresh=0.5"], "model.rpn_nms_thresh", 0.5),
        ("train", ["+batch_size=3"], "batch_size", 3),
        ("train", ["optimizer.lr=0"], "optimizer.lr", 0),
        ("train", ["callbacks.last=null"], "callbacks.last", None),
        ("predict", ["inference.min_size=128"], "inference.min_size", 128),
        ("predict", ["photos=20251126"], "photos", "20251126"),
        ("predict", ["photos=[2023,a b (1).jpg]"], "photos", ["2023", "a b (1).jpg"]),
        ("predict", ["output_dir=2025_11_27"], "output_dir", "2025_11_27"),
        ("predict", ["fusion.fit=1e3"], "fusion.fit", "1e3"),
        ("predict", ["photos='a b'"], "photos", "a b"),
        ("predict", ["photos=null"], "photos", None),
        ("predict", ["labels="], "labels", ""),
    ],
)
def test_what_fits_is_let_in(command: str, words: list[str], key: str, value: Any) -> None:
    found = OmegaConf.select(compose(command, *words), key)
    assert (OmegaConf.to_object(found) if OmegaConf.is_config(found) else found) == value


def test_every_value_of_a_sweep_is_checked() -> None:
    assert refusal("train", "seed=0,x", sweep=True).startswith("seed=x: expected")
    assert refusal("train", "optimizer=sgd,adm", sweep=True).startswith("optimizer=adm: there")
    words, _ = checked("train", ["backbone=glob(resnet*,exclude=*101*)"], str(CONF), sweep=True)
    assert words == ["backbone=resnet50_fpn,resnet50_fpn_v2,resnet50_fpn_v2_frozen"]
    compose("train", "seed=range(0,3)", "optimizer.lr=0.1,0.2", "data.root=a,b", "data=coco",
            sweep=True)  # fmt: skip


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="$"), min_size=1))
def test_any_name_of_a_file_is_taken_as_it_is_typed(name: str) -> None:
    if name == "null" or name[0] in "'\"[{~":
        return
    word = as_path(Word("", "photos", "", name), sweep=False)
    assert parse(word).value() == name


def test_a_path_is_quoted_only_where_it_must_be() -> None:
    shown = [str(as_path(Word("", "ckpt", "", text), sweep=False)) for text in ("a/b.ckpt", "2023")]
    assert shown == ["ckpt=a/b.ckpt", "ckpt='2023'"]  # for people to read in run.json


def test_a_file_that_exists_is_meant_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("null", "[a]", "{b:1}", "'c'", "~", "a,b"):
        (tmp_path / name).touch()
        assert parse(as_path(Word("", "photos", "", name), sweep=True)).value() == name


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert compose("train", "data=coco", "data.root=~/photos").data.root == "/home/me/photos"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_in_a_file_is_declared(command: str) -> None:
    """A new setting of conf/*.yaml wants a line in digits/cli/schema.py."""
    groups = ("hydra", "suggested", "trainer")  # data=synthetic sets the trainer's epochs
    config = compose(command)
    assert set(map(str, config)) - set(groups) <= set(declared(COMMANDS[command]))


def _parameters(target: str) -> set[str]:
    module, _, name = target.rpartition(".")
    called = getattr(importlib.import_module(module), name)
    return set(inspect.signature(called).parameters)


# What the code passes itself, or what cannot be said on a command line.
_OWN = {"self", "split", "progress", "epoch", "state", "callbacks", "logger", "params", "photo",
        "target", "image", "args", "kwargs", "root_dir", "sources"}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_declarations_name_what_the_code_takes(target: str) -> None:
    named, taken = set(declared(TARGETS[target])), _parameters(target)
    assert taken - _OWN <= named, "not declared"
    assert named - taken <= {"real", "synthetic"}, "not taken"


@pytest.mark.parametrize("target", TARGETS)
def test_every_declared_type_has_words(target: str) -> None:
    for name, kind in declared(TARGETS[target]).items():
        assert in_words(kind), name
        assert is_path(kind) == (
            name
            in ("root", "weights", "dirpath", "default_root_dir", "folder", "save_dir", "sub_dir")
        ), name


@pytest.mark.parametrize(
    "path", sorted(CONF.glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_every_target_in_conf_is_declared(path: Path) -> None:
    content = OmegaConf.to_container(OmegaConf.load(path))

    def targets(node: Any) -> list[str]:
        if not isinstance(node, dict):
            return []
        own = [node["_target_"]] if "_target_" in node else []
        return own + [found for value in node.values() for found in targets(value)]

    undeclared = {target for target in targets(content) if target.startswith("digits.")} - set(
        TARGETS
    )
    assert not undeclared


@pytest.mark.parametrize("word", ["optimzer=sgd", "batch_size=0"])
def test_a_refusal_takes_no_torch(word: str) -> None:
    code = (
        "import sys, digits.cli.entry as entry\n"
        f"sys.argv = ['train.py', {word!r}]\n"
        "try: entry.train()\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "1 []" and done.stderr.startswith("Error: "), done.stderr
