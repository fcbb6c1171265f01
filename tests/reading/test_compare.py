import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from simulated import simulate

from digits import calibrate, checkpoint
from digits.detections import read_detections
from digits.detections.writing import detections_to_json
from digits.errors import DigitsError
from digits.reading.__main__ import main
from digits.reading.labels import read_targets_of


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    records, targets = simulate(60)
    found, labels = tmp_path / "detections.json", tmp_path / "valid.json"
    size = {"height": 900, "width": 900}
    photos = [detections_to_json(record) | size for record in records]
    found.write_text(json.dumps({"header": {}, "photos": photos}))
    images = [
        {"id": r["image_id"], "file_name": "a.png", "height": 900, "width": 900} for r in records
    ]
    annotations = []
    for target in targets:
        for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            row = {"image_id": target["image_id"], "bbox": xywh, "category_id": label}
            annotations.append(row | {"id": len(annotations)})
    labels.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return found, labels


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["digits.reading", *map(str, arguments)])
    main()


def test_all_rules_in_one_table(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    picture = tmp_path / "coverage.png"
    run(monkeypatch, files[0], "--labels", files[1], "--picture", picture)
    out = capsys.readouterr().out
    for text in ("threshold 0.5", "threshold 0.7", "hindsight", "cascade", "calibrated", "x 0.3"):
        assert text in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = files[1].read_bytes()
    with pytest.raises(SystemExit):
        run(monkeypatch, files[0], "--labels", files[1], "--picture", files[1])
    assert "expected a name that ends in .png" in capsys.readouterr().err
    assert files[1].read_bytes() == before


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (None, "no such file of labels"),
        ("{", "expected COCO JSON"),
        ('{"images": [], "annotations": []}', "60 of the 60 photos with detections are not in"),
    ],
)
def test_labels_that_do_not_fit(
    files: tuple[Path, Path], monkeypatch: Any, capsys: Any, labels: str | None, says: str
) -> None:
    files[1].unlink() if labels is None else files[1].write_text(labels)
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, files[0], "--labels", files[1])
    err = capsys.readouterr().err
    assert end.value.code == 1 and err.startswith("Error: ") and says in err
    assert err.count("\n") == 1


def _renamed(content: dict[str, Any], start: int) -> None:
    for number, image in enumerate(content["images"], start):
        image["file_name"] = f"photos/{number}.png"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["images"][7].update(width=640), r"another photo there \(a.png, 640 x 900\)"),
        (lambda c: _renamed(c, 2), r"is another photo there \(3.png, 900 x 900\) than in the dete"),
        (lambda c: _renamed(c, 1), None),  # the same names in a folder
        (lambda c: c["images"][7].update(width=450, height=900), "450 x 900"),
        (lambda c: None, None),  # photos that were renamed
    ],
)
def test_labels_of_other_photos_are_refused(
    files: tuple[Path, Path], change: Any, says: str | None
) -> None:
    records = read_detections(files[0])[1]
    content = json.loads(files[1].read_text())
    change(content)
    files[1].write_text(json.dumps(content))
    with pytest.raises(DigitsError, match=says) if says else nullcontext():
        assert len(read_targets_of(records, files[1])) == len(records)
    with pytest.raises(DigitsError, match=r"valid\.json: there are no photos with detections"):
        read_targets_of([], files[1])


def test_a_finished_checkpoint_is_calibrated_anew(
    files: tuple[Path, Path], trained: Any, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    path = Path(shutil.copy(trained.folder / "best.ckpt", tmp_path / "best.ckpt"))
    before = checkpoint.load(path)
    arguments = ["x", str(path), str(files[0]), "--labels", str(files[1])]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):  # the header names no checkpoint
        calibrate.main()
    assert "made with other weights than those of" in capsys.readouterr().err
    content = json.loads(files[0].read_text())
    content["header"] = before.header({"min_size": 56, "box_detections_per_img": 20})
    files[0].write_text(json.dumps(content))
    with pytest.raises(SystemExit):
        calibrate.main()
    assert "made with other settings than those of" in capsys.readouterr().err
    settings = ["--inference", "min_size=56", "--inference", "box_detections_per_img=20"]
    monkeypatch.setattr(sys, "argv", [*arguments, *settings])
    calibrate.main()
    assert "reading: calibrated on 60 photos" in capsys.readouterr().out
    loaded = checkpoint.load(path)
    assert loaded.rebuild_reader().description == "calibrated on 60 photos"
    metrics = loaded.description["metrics"]
    assert loaded.refine is (metrics["map"] > metrics["map_raw"])
    assert metrics["number_accuracy"] > 0.5
    # What the reading was fitted to is what the checkpoint now does: the size, not the anchors.
    after = loaded.header()
    assert after == content["header"]
    assert loaded.rebuild().transform.min_size == [56]
