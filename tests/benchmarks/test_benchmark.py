"""The benchmark's parts, each with the least work; its figures themselves are not tested."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import __main__ as command
from benchmarks import gpu, script, settings
from benchmarks.detector import detector
from benchmarks.figures import Figure, in_turn, multiply_adds_per_second, ratios
from benchmarks.network import TimedNetwork
from benchmarks.pipeline import pipeline
from benchmarks.scoring import scoring
from benchmarks.script import predict_memory, predict_speed
from digits.data.synthetic import SyntheticDigits, write
from digits.errors import DigitsError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark") / "data"
    write(root, 40)
    return root


def named(figures: list[Figure]) -> dict[str, Figure]:
    assert all(f.low <= f.value <= f.high for f in figures)
    found = {f.what: f for f in figures}
    assert len(found) == len(figures)
    return found


def test_works_take_turns_and_the_first_round_is_thrown_away() -> None:
    calls: list[str] = []
    clock = count()

    def work(name: str) -> Callable[[int], float]:
        def run(number: int) -> float:
            calls.append(f"{name}{number}")
            return next(clock)

        return run

    assert in_turn({"a": work("a"), "b": work("b")}, 2) == {"a": [2, 4], "b": [3, 5]}
    assert calls == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert ratios([2, 4], [1, 8]) == [2, 0.5]
    assert Figure.of("p", "w", [3, 1, 8], "s") == Figure("p", "w", 3, "s", 1, 8)


@pytest.mark.slow
def test_what_is_timed_is_what_train_py_builds() -> None:
    config = settings.train_config("backbone=mobilenet_v3_large_fpn")["model"]
    assert config["min_size"] == 160 and config["backbone"]["weights"] == "none"
    assert settings.build(config).transform.min_size == [160]
    with pytest.raises(DigitsError, match=r"train.py backbone=resnet: .*backbone/resnet"):
        settings.train_config("backbone=resnet")


def test_a_step_trains_and_inference_does_not() -> None:
    model = settings.build(settings.train_config()["model"])
    batches = [[SyntheticDigits(4)[i] for i in range(4)]]
    network, before = TimedNetwork(model, CPU), [p.clone() for p in model.parameters()]

    def moved() -> bool:
        return any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))

    assert network.inference(batches)(0) > 0 and not model.training and not moved()
    assert network.training(batches)(0) > 0 and model.training and moved()


@pytest.mark.slow
def test_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import detector as module

    def smaller(*overrides: str) -> dict[str, Any]:
        """torchvision's 800 x 1333 pixels would take minutes; the rest stays its own."""
        size = ("model.min_size=400", "model.max_size=667") if len(overrides) > 1 else ()
        return settings.train_config(*overrides, *size)

    monkeypatch.setattr(module, "train_config", smaller)
    photos = [SyntheticDigits(4)[i] for i in range(4)]
    found = named(list(detector("small_fpn", photos, rounds=1, batch_size=4)))
    for mode in ("inference", "training"):
        theirs = found[f"small_fpn {mode}, torchvision's defaults"].value
        ours = found[f"small_fpn {mode}, ours, batch of 4"].value
        ratio = found[f"small_fpn {mode}, batch of 4: ratio"].value
        assert ratio == pytest.approx(theirs / ours)


def test_torchvisions_own_detector_is_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import detector as module

    made: list[dict] = []

    def own(**arguments: object) -> nn.Module:
        made.append(arguments)
        return nn.Identity()

    monkeypatch.setattr(module.detection, "fasterrcnn_resnet50_fpn_v2", own)
    module._with_defaults("resnet50_fpn_v2")
    assert made == [{"weights": None, "weights_backbone": None, "num_classes": 11}]
    monkeypatch.setattr(module, "train_config", lambda *overrides: {"model": overrides})
    monkeypatch.setattr(module, "build", lambda config: config)
    assert module._with_defaults("small_fpn") == ("backbone=small_fpn", "model=torchvision")


def test_pipeline(data: Path) -> None:
    found = named(list(pipeline(data, rounds=1, workers=1, count=40)))
    assert found["loading in the main process"].value > 1
    fed, trained = found["loading, 1 processes"], found["CPU default's training, no loading"]
    ratio = found["loading in processes / training: ratio"].value
    assert ratio == pytest.approx(fed.value / trained.value)


def test_map_backends_agree() -> None:
    found = named(list(scoring(rounds=1, count=30)))
    values = {f.value for name, f in found.items() if name.endswith("value")}
    assert len(values) == 1 and 0.1 < values.pop() < 0.9


@pytest.mark.slow
def test_predict(data: Path) -> None:
    small = ("num_workers=0", "batch_size=4")
    speed = named(list(predict_speed(data / "train", rounds=1, options=small)))
    whole = speed["40 photos, start-up included"].value
    assert 0 < whole < speed["40 photos, without start-up"].value


def test_the_models_that_ship_take_turns(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = "import json, sys; from pathlib import Path; words = sys.argv[1:]\n"
    echo += "folder = Path(next(w for w in words if w.startswith('output_dir='))[11:])\n"
    echo += "folder.mkdir(); speed = 8 if 'ckpt=ensemble' in words else 45\n"
    echo += "(folder / 'metrics.json').write_text(json.dumps({'photos_per_second': speed}))\n"
    (tmp_path / "predict.py").write_text(echo)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    found = named(list(script.shipped_speed(data / "train", rounds=1)))
    assert found["predict.py ckpt=small"].value == 45
    assert found["predict.py ckpt=ensemble"].value == 8


def test_a_failing_predict_py_says_why(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "predict.py").write_text("import sys; sys.exit('Error: no such checkpoint')")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    with pytest.raises(DigitsError, match=r"predict.py failed: Error: no such checkpoint"):
        list(predict_speed(data / "train", rounds=1))


@pytest.mark.slow
def test_memory(data: Path) -> None:
    small = ("num_workers=0", "batch_size=4", "pictures=none")
    found = named(list(predict_memory(data / "train", (8, 16), options=small)))
    few, many = (found[f"predict.py, {count} photos: peak"].value for count in (8, 16))
    assert few > 100 and found["most photos / fewest: ratio"].value == pytest.approx(many / few)


def test_the_command_prints_and_saves_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    figure = Figure.of("map", "pycocotools", [21.4, 20.1], "s")
    monkeypatch.setattr(command, "scoring", lambda rounds: iter([figure]))
    command.main(["--only", "map", "--out", str(tmp_path / "new" / "figures.json")])
    out = capsys.readouterr().out
    assert "pycocotools" in out and "20.75 s  (20.1 - 21.4)" in out
    saved = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert saved["figures"] == [figure._asdict()] and saved["cores"] >= 1 and saved["git_commit"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rounds", "0"], "--rounds: expected 1 or more"),
        (
            ["--only", "map", "--data", "/nowhere"],
            "--data /nowhere: expected train/ and train.json",
        ),
        (["--only", "predict", "--device", "cuda:77"], "device=cuda:77"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "write", lambda *_: pytest.fail("photos were drawn"))
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert says in capsys.readouterr().err


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(DigitsError, match=r"train.py seed=\[: "):
        settings.train_config("seed=[")


def test_the_table_of_a_gpu_can_be_tried_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "ROWS", [row for row in gpu.ROWS if not row.overrides])
    gpu.main(["--tiny", "--device", "cpu", "--out", str(tmp_path / "gpu.json")])
    figures = json.loads((tmp_path / "gpu.json").read_text())["figures"]
    assert [f["what"] for f in figures] == [
        "training, the CPU default, batch of 2", "detection, the CPU default, batch of 2",
        "files to numbers, ckpt=small, 40 photos, batch of 32",
    ]  # fmt: skip
    assert all(f["value"] > 0 and f["unit"] == "photos/s" for f in figures)


def test_multiply_adds_are_those_of_the_layers() -> None:
    class One(nn.Module):
        """One convolution of 3 x 3 from 3 to 5 channels."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, photos: list[Tensor], targets: object = None) -> dict[str, Tensor]:
            return {"loss": self.layer(torch.stack(photos)).sum()}

    batches = [[(torch.rand(3, 10, 20), {}) for _ in range(4)]]
    network, layer = TimedNetwork(One(), CPU), 3 * 5 * 9 * 10 * 20
    assert network.multiply_adds(batches, training=False)(0) == layer
    # Backwards once more for the weights, but not for the photos.
    assert network.multiply_adds(batches, training=True)(0) == 2 * layer
    assert multiply_adds_per_second(CPU) > 1e6


def test_yolo_has_our_contract() -> None:
    pytest.importorskip("ultralytics", reason="the extra yolo is not installed")
    from benchmarks.yolo import Yolo11n

    photos, targets = zip(*(SyntheticDigits(2)[i] for i in range(2)), strict=True)
    network = Yolo11n().train()
    (loss,) = network(photos, targets).values()
    assert torch.isfinite(loss) and loss.requires_grad
    with torch.inference_mode():
        assert [found.shape[1] for found in network.eval()(photos)] == [6, 6]
