import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from digits import checkpoint
from digits.data.synthetic import SyntheticDigits
from digits.inference.options import InferenceOptions
from digits.training.finish import TrainingCost, finish_run

COST = TrainingCost(epochs=1, minutes=0.1, parameters=1)
ON_CPU = InferenceOptions(torch.device("cpu"), batch_size=4, num_workers=0)


def finish(folder: Path) -> dict[str, float] | None:
    return finish_run(folder, COST, SyntheticDigits(4), "faster_coco_eval", ON_CPU)


def unfinished(trained: Any, path: Path, step: int) -> None:
    content = checkpoint.load(trained.folder / "last.ckpt").content
    torch.save(content | {"global_step": step}, path)


def is_finished(path: Path) -> bool:
    loaded = checkpoint.load(path)
    final = {"reader", "refine", "metrics"} <= set(loaded.description)
    return final and "optimizer_states" not in loaded.content


def test_one_epoch_that_is_best_at_both_tasks_is_scored_once(trained: Any, tmp_path: Path) -> None:
    for name in ("best", "best_number"):
        unfinished(trained, tmp_path / f"{name}.ckpt", step=7)
    assert finish(tmp_path) is not None
    both = [(tmp_path / f"{name}.ckpt").read_bytes() for name in ("best", "best_number")]
    assert both[0] == both[1] and is_finished(tmp_path / "best_number.ckpt")


def test_two_epochs_are_finished_each(trained: Any, tmp_path: Path, capsys: Any) -> None:
    unfinished(trained, tmp_path / "best.ckpt", step=7)
    unfinished(trained, tmp_path / "best_number.ckpt", step=9)
    assert finish(tmp_path) is not None
    for name, step in (("best", 7), ("best_number", 9)):
        path = tmp_path / f"{name}.ckpt"
        assert is_finished(path) and checkpoint.load(path).content["global_step"] == step
    assert "best_number.ckpt, another epoch: mAP" in capsys.readouterr().out


@pytest.mark.slow
def test_last_is_the_last_epoch_even_where_it_is_not_the_best(train: Any) -> None:
    # Nothing is learnt, so the first epoch stays the best.
    outcome = train("optimizer.lr=0", "callbacks.average=null", "trainer.max_epochs=3")
    assert outcome.code == 0, outcome.err
    epochs = [
        checkpoint.load(outcome.folder / f"{name}.ckpt").content["epoch"]
        for name in ("best", "last")
    ]
    assert epochs == [0, 2]


def test_a_run_without_checkpoints_has_no_figures(trained: Any, tmp_path: Path) -> None:
    assert finish(tmp_path) is None
    shutil.copy(trained.folder / "last.ckpt", tmp_path / "best.ckpt")
    assert finish(tmp_path) is not None
    assert not (tmp_path / "best_number.ckpt").exists()
