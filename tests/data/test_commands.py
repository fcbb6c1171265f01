"""The commands `python -m digits.data.synthetic` and `python -m digits.data.distant`."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
import torch

from digits.data import distant, reframed
from digits.data.coco import CocoDigits
from digits.data.synthetic import SyntheticDigits, dataset
from digits.data.synthetic import __main__ as synthetic

Capture = pytest.CaptureFixture[str]


def exit_code(main: Callable[[list[str]], None], *arguments: str) -> int:
    """Run a command in this process; 0 where it returns."""
    try:
        main(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def test_synthetic_writes_the_courses_layout(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "new" / "made"
    assert exit_code(synthetic.main, str(out), "--count", "12", "--seed", "2") == 0
    assert f"python train.py data=coco data.root={out}" in capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {"train", "train.json", "valid", "valid.json", "test"}
    assert [p.name for p in out.parent.iterdir()] == ["made"]  # nothing unfinished left behind
    assert len(list((out / "test").iterdir())) == 1
    coco = json.loads((out / "train.json").read_text())
    assert coco["categories"] == [{"id": d + 1, "name": str(d)} for d in range(10)]
    assert [image["id"] for image in coco["images"]] == list(range(1, 13))
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    data = SyntheticDigits(12, seed=6)  # three splits of seed 2: 6, 7, 8
    for index, image in enumerate(coco["images"]):
        photo, target = data[index]
        stored = cv2.imread(str(out / "train" / image["file_name"]), cv2.IMREAD_COLOR_RGB)
        assert stored is not None and stored.shape == (image["height"], image["width"], 3)
        assert (stored.transpose(2, 0, 1) == photo.numpy()).all()
        mine = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        assert [a["category_id"] for a in mine] == target["labels"].tolist()
        for annotation, (x1, y1, x2, y2) in zip(mine, target["boxes"].tolist(), strict=True):
            assert annotation["bbox"] == [x1, y1, x2 - x1, y2 - y1]
            assert annotation["area"] == (x2 - x1) * (y2 - y1) and annotation["iscrowd"] == 0
    valid = (out / "valid" / "1.png").read_bytes()
    assert valid != (out / "train" / "1.png").read_bytes()
    assert valid != (out / "test" / "1.png").read_bytes()


def test_synthetic_fills_an_empty_folder(tmp_path: Path) -> None:
    assert exit_code(synthetic.main, str(tmp_path), "--count", "1") == 0
    assert (tmp_path / "valid.json").is_file()


def test_synthetic_refuses_a_count_of_nothing(tmp_path: Path, capsys: Capture) -> None:
    assert exit_code(synthetic.main, str(tmp_path / "out"), "--count", "0") == 1
    assert "expected a count of 1 to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_synthetic_refuses_a_folder_in_use(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert exit_code(synthetic.main, str(tmp_path), "--count", "3") == 1
    error = capsys.readouterr().err
    assert "exists already" in error and error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_synthetic_run_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(rng: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "render", interrupt)
    assert exit_code(synthetic.main, str(tmp_path / "out"), "--count", "3") == 130
    assert list(tmp_path.iterdir()) == []


def test_distant_writes_a_split_once(tmp_path: Path, capsys: Capture) -> None:
    dataset.write(tmp_path / "near", 40)
    command = (distant.main, str(tmp_path / "near"), str(tmp_path / "far"))
    assert exit_code(*command) == 0
    near = CocoDigits(tmp_path / "near/valid", tmp_path / "near/valid.json")
    far = CocoDigits(tmp_path / "far/valid", tmp_path / "far/valid.json")
    far.verify()
    assert far.image_ids.tolist() == near.image_ids.tolist()
    assert torch.equal(far[0][0], distant.Distant(near)[0][0])
    assert "split=valid" in capsys.readouterr().out
    assert exit_code(*command) == 1
    error = capsys.readouterr().err
    assert "exists already" in error and error.count("\n") == 1


def test_a_split_without_labels_is_not_made_harder(tmp_path: Path, capsys: Capture) -> None:
    dataset.write(tmp_path / "near", 40)
    (tmp_path / "near/test.json").unlink(missing_ok=True)
    for command in (distant, reframed):
        words = (str(tmp_path / "near"), str(tmp_path / "far"), "--split", "test")
        assert exit_code(command.main, *words) == 1
        assert "--split test: expected a labelled split" in capsys.readouterr().err
        assert not (tmp_path / "far").exists()


def test_distant_takes_the_share_of_the_height(tmp_path: Path) -> None:
    dataset.write(tmp_path / "near", 40)
    wanted = ("--share", "0.1", "0.2", "--seed", "3")
    assert exit_code(distant.main, str(tmp_path / "near"), str(tmp_path / "far"), *wanted) == 0
    near = CocoDigits(tmp_path / "near/valid", tmp_path / "near/valid.json")
    far = CocoDigits(tmp_path / "far/valid", tmp_path / "far/valid.json")
    assert torch.equal(far[0][0], distant.Distant(near, (0.1, 0.2), seed=3)[0][0])
