"""Sweeps: what `python train.py -m ...` leaves, whatever runs its jobs."""

import csv
import gc
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT, TINY, TINY_DATA, Outcome, run_script
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from digits import checkpoint
from digits.cli import train as train_script
from digits.errors import DigitsError
from digits.sweep import __main__ as sweep_command
from digits.sweep import table as sweep
from digits.sweep.jobs import device_of_job, job_name
from digits.torch_files import load_plain
from digits.training.module import DigitDetector

Script = Callable[..., Outcome]
SWEEP = "hydra.mode=MULTIRUN"  # as -m says, which must come first


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[int]]:
    """Four jobs, of which one fails and two are refused; and how many detectors are
    alive as each of the others starts, and in the end."""
    quiet, fit = train_script.quiet, train_script.fit
    alive: list[int] = []

    def count() -> None:
        quiet()
        alive.append(sum(type(thing) is DigitDetector for thing in gc.get_objects()))

    def fit_at_second_try(*args: Any) -> Any:
        if len(alive) == 1:
            raise RuntimeError("out of order\n[and more]")
        return fit(*args)

    gc.collect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_script, "quiet", count)
        patch.setattr(train_script, "fit", fit_at_second_try)
        folder = tmp_path_factory.mktemp("swept") / "run"
        choices = ("optimizer=sgd,adamw", "trainer.devices=1,2")
        outcome = run_script("train", folder, SWEEP, *TINY, *TINY_DATA, *choices)
    count()
    return outcome, alive


def test_every_job_has_a_directory_named_by_what_it_chose(swept: Any) -> None:
    folders = {path.parent.name: path.parent for path in swept[0].folder.glob("*/.hydra")}
    assert set(folders) == {
        "0_sgd_devices-1", "1_sgd_devices-2", "2_adamw_devices-1", "3_adamw_devices-2"
    }  # fmt: skip
    files = {path.name for path in folders["2_adamw_devices-1"].iterdir()}
    assert {"best.ckpt", "config.yaml", "run.json", "metrics.csv", "metrics.json"} <= files
    assert any(file.startswith("events.out.tfevents") for file in files)  # for TensorBoard


def test_a_failed_job_stops_no_other_and_is_told_at_the_end(swept: Any) -> None:
    outcome, _ = swept
    assert outcome.code == 1
    told = outcome.err.strip().splitlines()
    assert "3 of 4 jobs failed" in told[-1] and not any("Traceback" in line for line in told)
    reason = "RuntimeError: out of order [and more]"
    assert f"0_sgd_devices-1 failed: {reason}" in outcome.out
    text = (outcome.folder / "0_sgd_devices-1" / "error.txt").read_text()
    assert text.startswith(f"{reason}\n") and "Traceback" in text
    assert "3_adamw_devices-2 failed: trainer.devices=2, trainer.num_nodes=1: a sw" in outcome.out


def test_the_table_of_a_sweep(swept: Any) -> None:
    outcome, _ = swept
    first, *others = rows(outcome.folder)
    assert (first["status"], first["optimizer"], first["trainer.devices"]) == (
        "finished", "adamw", "1"
    )  # fmt: skip
    assert "batch_size" not in first  # in which no two jobs differ
    figures = json.loads((Path(first["checkpoint"]).parent / "metrics.json").read_text())
    for name in sweep.FIGURES:
        assert float(first[name]) == pytest.approx(figures[name]), name
    weights = checkpoint.load(Path(first["checkpoint"])).state_dict
    counts = [len(v.flatten()) for k, v in weights.items() if k.endswith(("weight", "bias"))]
    assert float(first["epochs"]) == 1 and float(first["parameters"]) == sum(counts)
    assert 0 < float(first["minutes"]) < 5
    assert [row["status"] for row in others] == ["failed"] * 3
    assert not others[0]["map"] and "out of order" in others[0]["error"]
    assert f"Next: python predict.py ckpt={first['checkpoint']}" in outcome.out


def test_a_sweep_has_a_page_of_its_jobs_and_their_curves_in_one_picture(swept: Any) -> None:
    folder = swept[0].folder
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'href="2_adamw_devices-1/report.html"' in page and "out of order" in page
    assert (folder / "curves.png").is_file()
    assert "Learning curves of all jobs" in page
    command = json.loads((folder / "run.json").read_text())["command"]
    assert "optimizer=sgd,adamw" in shlex.split(command) and "optimizer=sgd,adamw" in page


def test_a_job_trains_as_it_would_alone(swept: Any, trained: Outcome) -> None:
    job = swept[0].folder / "2_adamw_devices-1"
    ours, alone = (load_plain(f / "best.ckpt")["state_dict"] for f in (job, trained.folder))
    assert ours.keys() == alone.keys()
    assert all(torch.equal(ours[name], alone[name]) for name in ours)


def test_a_job_says_how_to_run_it_alone(swept: Any) -> None:
    facts = json.loads((swept[0].folder / "2_adamw_devices-1" / "run.json").read_text())
    _, script, *overrides = shlex.split(facts["command"])
    assert script == "train.py"
    assert {"optimizer=adamw", "trainer.devices=1", *TINY} < set(overrides)
    assert overrides[-1] == "hydra.mode=RUN"
    assert not any(override.startswith("output_dir=") for override in overrides)


def test_no_model_outlives_its_job(swept: Any) -> None:
    _, alive = swept
    assert len(alive) == 3 and len(set(alive)) == 1


def test_the_table_can_be_rebuilt(
    swept: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = swept[0].folder
    before = rows(folder)
    for name in ("sweep.csv", "report.html"):
        (folder / name).unlink()
    monkeypatch.setattr(sys, "argv", ["sweep", str(folder)])
    sweep_command.main()
    assert rows(folder) == before and (folder / "report.html").is_file()
    assert f"ckpt={folder}/2_adamw_devices-1/best.ckpt" in capsys.readouterr().out


def test_a_folder_without_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep", str(tmp_path)])
    with pytest.raises(SystemExit):
        sweep_command.main()
    assert f"{tmp_path}: no jobs in it" in capsys.readouterr().err


def leave(folder: Path, overrides: list[str], figures: dict[str, float] | None) -> None:
    """What a job leaves that finished, or, without figures, one that still runs."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    if figures:
        (folder / "metrics.json").write_text(json.dumps(figures))
        (folder / "best.ckpt").touch()


def test_the_best_comes_first_and_old_runs_have_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "0_a", ["seed=0"], {"map": 0.1, "epochs": 3})
    leave(tmp_path / "1_b", ["seed=1"], None)
    leave(tmp_path / "2_c", ["seed=2"], {"map": 0.4})
    found = sweep.write_table(tmp_path)
    assert [job["job"] for job in found] == ["2_c", "0_a", "1_b"]
    assert [job["status"] for job in found] == ["finished", "finished", "unfinished"]
    assert [row["epochs"] for row in rows(tmp_path)] == ["", "3", ""]
    sweep.print_table(tmp_path, found, {})
    out = capsys.readouterr().out
    assert "unfinished" in out and f"All 2, fused: python predict.py ckpt={tmp_path}" in out


def test_jobs_that_end_together_are_all_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that ends, and writes the table, between another's reading and writing."""
    leave(tmp_path / "0_a", ["seed=0"], {"map": 0.1})
    read, late = sweep.read_jobs, tmp_path / "1_b"

    def slow(folder: Path) -> list[dict[str, Any]]:
        found = read(folder)
        if not late.exists():
            leave(late, ["seed=1"], {"map": 0.2})
            sweep.write_table(folder)
        return found

    monkeypatch.setattr(sweep, "read_jobs", slow)
    sweep.write_table(tmp_path)
    assert [row["job"] for row in rows(tmp_path)] == ["1_b", "0_a"]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ("", "7"),
        ("backbone=resnet50_fpn_v2", "7_resnet50_fpn_v2"),
        ("backbone=vgg16;seed=1", "7_vgg16_seed-1"),
        ("optimizer.lr=0.00123456789", "7_lr-0.00123"),
        ("optimizer.lr=1e-3;batch_size=8", "7_lr-1e-3_batch_size-8"),
        ("optimizer.lr=1.0e+20", "7_lr-1e20"),
        ("trainer.deterministic=true", "7_deterministic-true"),
        ("+trainer.x=[1,2]", "7_x-1-2"),
        ("data.root=/photos/a b", "7_root-photos-a-b"),
    ],
)
def test_names_of_jobs(choices: str, name: str) -> None:
    assert job_name(7, choices) == name


@settings(max_examples=40)
@given(st.integers(0, 999), st.lists(st.tuples(st.text(), st.text()), max_size=6))
def test_names_are_safe_for_file_systems_and_for_hydra(number: int, pairs: Any) -> None:
    name = job_name(number, ";".join(f"{key}={value}" for key, value in pairs))
    assert len(name) <= 80 and name.split("_")[0].split("-")[0] == str(number)
    assert name == os.path.basename(name) and name.isascii()
    (override,) = OverridesParser.create().parse_overrides([f"ckpt=outputs/{name}/best.ckpt"])
    assert override.value() == f"outputs/{name}/best.ckpt"


@pytest.mark.parametrize(
    ("gpus", "devices", "accelerator", "expected"),
    [
        (0, 1, "auto", [1, 1, 1]),
        (2, 1, "auto", [[0], [1], [0]]),
        (2, "1", "gpu", [[0], [1], [0]]),
        (2, 1, "cpu", [1, 1, 1]),
        (1, "auto", "auto", [[0], [0], [0]]),
        (0, "auto", "auto", ["auto"] * 3),
        (4, [3], "auto", [[3], [3], [3]]),  # as the user said
    ],
)
def test_each_local_job_gets_its_gpu(
    monkeypatch: pytest.MonkeyPatch, gpus: int, devices: Any, accelerator: str, expected: Any
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [device_of_job(devices, 1, accelerator, n) for n in range(3)] == expected
    assert device_of_job(devices, 1, accelerator, None) == devices  # jobs one after the other


@pytest.mark.parametrize(
    ("devices", "num_nodes"), [(2, 1), ("2", 1), ([0, 1], 1), ("0,1", 1), (1, 2), ("auto", 1)]
)
def test_several_devices_per_job_are_refused(
    monkeypatch: pytest.MonkeyPatch, devices: Any, num_nodes: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DigitsError, match=r"Say trainer.devices=1, with hydra/launcher=joblib"):
        device_of_job(devices, num_nodes, "auto", 0)


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (("seed=0,1", "trainer.devices=2"), "trainer.devices=1"),
        (("hydra/sweeper=optuna",), "hydra.sweeper.direction=maximize"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused_in_one_line(
    train: Script, overrides: tuple[str, ...], advice: str
) -> None:
    outcome = train(SWEEP, *overrides)
    assert outcome.code == 1
    (line,) = outcome.err.strip().splitlines()
    assert line.startswith("Error: ") and advice in line
    assert not outcome.folder.exists()


def test_the_reports_backbones() -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("train", ["experiment=backbones"], return_hydra_config=True)
    names = cfg.hydra.sweeper.params.backbone.split(",")
    assert cfg.hydra.mode.name == "MULTIRUN" and len(names) == 5
    assert {f"{name}.yaml" for name in names} <= set(os.listdir(ROOT / "conf" / "backbone"))
    assert cfg.batch_size == 16 and cfg.trainer.max_epochs == 8 and cfg.model.max_size == 1333


@pytest.mark.slow
def test_the_experiment_of_the_backbones(train: Script) -> None:
    outcome = train("experiment=backbones", "model.max_size=64", "backbone=small_fpn")  # no -m
    assert outcome.code == 0, outcome.err
    assert [(row["job"], row["status"]) for row in rows(outcome.folder)] == [("0", "finished")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "weights", "statuses"),
    [
        ("joblib", "none,missing.pt", ["finished", "failed"]),
        ("submitit_local", "none", ["finished"]),
    ],
)
def test_jobs_in_other_processes(
    train: Script, monkeypatch: pytest.MonkeyPatch, launcher: str, weights: str, statuses: list[str]
) -> None:
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    outcome = train(SWEEP, f"hydra/launcher={launcher}", f"backbone.weights={weights}")
    assert outcome.code == ("failed" in statuses), outcome.err
    table = rows(outcome.folder)
    assert [row["status"] for row in table] == statuses
    assert ("1 of 2 jobs failed" in outcome.err) == ("failed" in statuses)
    assert f"Next: python predict.py ckpt={table[0]['checkpoint']}" in outcome.out


@pytest.mark.slow
def test_optuna_searches_for_the_highest_map(train: Script) -> None:
    outcome = train("experiment=search", "hydra.sweeper.n_trials=1")
    assert outcome.code == 0, outcome.err
    (job,) = rows(outcome.folder)
    found = yaml.safe_load((outcome.folder / "optimization_results.yaml").read_text())
    assert found["best_value"] == pytest.approx(float(job["map"]))
    assert job["job"].startswith("0_lr-0.00")


def test_only_sweeps_are_treated_as_sweeps(trained: Outcome) -> None:
    assert not (trained.folder.parent / "sweep.csv").exists()
    assert "hydra.mode" not in json.loads((trained.folder / "run.json").read_text())["command"]
