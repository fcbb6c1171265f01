"""report.html: what it holds, and what a browser makes of it."""

import html.parser
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from test_curves import HEADER, ROWS, run

from digits.errors import DigitsError
from digits.report import __main__ as command
from digits.report.gallery import write_gallery
from digits.report.page import write_page
from digits.report.tiles import chosen, tile
from digits.types import Reading

EVIL = "<img src=x onerror=\"document.title='hacked'\">\u202e'&$x^.png"
METRICS = {
    "map": 0.4321, "number_accuracy": 0.75, "coverage_at_98": 0.5, "map_digit_3": 0.9,
    "map_height_0_18": 0.3, "map_height_50_up": 0.2, "accuracy_2_digits": 0.8, "photos": 40,
    "parameters": 2200000, "reading": "calibrated on 40 photos", "refined": True,
    "confusion": [[3 if row == column else 0 for column in range(11)] for row in range(11)],
}  # fmt: skip


class Parsed(html.parser.HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def prediction(
    folder: Path, numbers: tuple[str, ...] = ("12", "1", "21", "17"), **more: Any
) -> Path:
    """A folder of photos whose true number is 12."""
    folder.mkdir(parents=True)
    tiles = []
    for k, number in enumerate(numbers):
        boxes = [[10 + 9 * i, 10, 18 + 9 * i, 30] for i in range(len(number))]
        found = made.detections(boxes, [1] * len(number), [int(d) + 1 for d in number])
        record = made.record(found, k, (40, 60))
        record["file_name"] = f"{k}{EVIL}"
        target = made.target([[10, 10, 18, 30], [19, 10, 27, 30]], [2, 3])
        reading = Reading(number, np.arange(len(number)), 0.9 - 0.1 * k, "77")
        tiles.append(tile(record, reading, target))
    sure, right = [t.confidence for t in tiles] * 10, [not t.mistakes for t in tiles] * 10
    photo = torch.full((3, 40, 60), 128, dtype=torch.uint8)
    write_gallery(folder / "gallery.json", chosen(tiles), sure, right, lambda image_id: photo)
    (folder / "metrics.json").write_text(json.dumps(METRICS | more))
    (folder / "config.yaml").write_text(f"ckpt: {EVIL}\n")
    info = {"command": f"python predict.py {EVIL}", "versions": {"torch": "2.9"}, "machine": "x"}
    (folder / "run.json").write_text(json.dumps(info))
    return folder


def test_a_page_needs_nothing_from_elsewhere_and_trusts_no_name(tmp_path: Path) -> None:
    page = Parsed(write_page(prediction(tmp_path / EVIL.replace("/", ""))))
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            link = attributes.get(name) or "#"
            assert link.startswith(("#", "data:image/")), link
        assert tag not in ("link", "iframe", "object")
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None and "default-src 'none'" in policy and "'sha256-" in policy
    assert any(EVIL in text for text in page.texts)  # as text


def test_a_prediction_is_shown_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    page = Parsed(write_page(prediction(tmp_path / "p", members=[{"name": "a", "map_raw": 0.41}])))
    for text in (
        "0.432", "0.750", "50.0 %", "AP of each digit", "0 to 18", "50 and more", "2 digits",
        "2,200,000", "calibrated on 40 photos", "order", "missed", "invented", "0.410",
        "10 of 40 numbers are right. Wrong ones, the surest first (3 shown), then some right ones. "
        "Dashed: the true digits.",
    ):  # fmt: skip
        assert text in page.texts, text
    photos = [a["data-kinds"] for t, a in page.tags if a.get("class", "").startswith("photo ")]
    assert photos == ["all wrong missed", "all wrong order", "all wrong confused", "all right "]
    assert sum(t == "svg" and a.get("class") == "chart" for t, a in page.tags) == 2


def test_a_fusion_says_what_it_takes_of_whom(tmp_path: Path) -> None:
    folder = prediction(tmp_path / "p")
    recipe = {"boxes": "fusion", "numbers": "a", "fusion": {"weights": [1, 0.5], "iou": 0.6}}
    (folder / "fusion.json").write_text(json.dumps(recipe))
    members = [{"name": "a", "map_refined": 0.4}]
    (folder / "metrics.json").write_text(json.dumps(METRICS | {"members": members}))
    page = Parsed(write_page(folder))
    at = page.texts.index("Used: boxes of")
    used = "Used: boxes of | fusion | , numbers of | a | , weights | 1, 0.5 | , IoU | 0.6"
    assert " | ".join(page.texts[at : at + 8]) == used
    (folder / "fusion.json").write_text('{"fusion": {"iou": "x"}}')
    with pytest.raises(DigitsError, match=r"fusion\.json: .*expected a number"):
        write_page(folder)


def test_what_no_page_can_hold_is_refused(tmp_path: Path) -> None:
    folder = prediction(tmp_path / "p")
    with (folder / "augmented.png").open("wb") as file:
        file.truncate(1 << 32)  # sparse
    with pytest.raises(DigitsError, match=r"augmented\.png: larger than 256 MiB"):
        write_page(folder)
    (folder / "augmented.png").unlink()
    (folder / "metrics.json").write_text(f'{{"photos": {"9" * 400}}}')
    with pytest.raises(DigitsError, match=r"metrics\.json: a figure too large"):
        write_page(folder)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    page = Parsed(write_page(prediction(tmp_path / "p", unreadable={EVIL: "cut off"})))
    at = page.texts.index("Files that cannot be read")
    assert page.texts[at + 1 : at + 3] == [EVIL, "cut off"]


def test_photos_without_labels_are_shown_by_how_sure_they_are(tmp_path: Path) -> None:
    folder = prediction(tmp_path / "p")
    gallery = json.loads((folder / "gallery.json").read_text()) | {"right": []}
    gallery["tiles"] = [t | {"truth": None, "true_boxes": []} for t in gallery["tiles"]]
    gallery["confidence"] = [0.0, 0.5, 0.99, 1.0]
    (folder / "gallery.json").write_text(json.dumps(gallery))
    page = Parsed(write_page(folder))
    at = page.texts.index("Share of the photos by confidence") + 1
    assert page.texts[at : at + 4] == ["0 to 0.5", "0.250", "0.5 to 0.8", "0.250"]
    assert page.texts[at + 10 : at + 12] == ["0.98 to 1", "0.500"]
    photos = [a["data-kinds"] for t, a in page.tags if a.get("class", "").startswith("photo ")]
    assert photos == ["all unknown "] * 4
    gallery["tiles"] = [t | {"accepted": k != 1} for k, t in enumerate(gallery["tiles"])]
    (folder / "gallery.json").write_text(json.dumps(gallery))
    page = Parsed(write_page(folder))
    photos = [a["data-kinds"] for t, a in page.tags if a.get("class", "").startswith("photo ")]
    assert photos == ["all accepted ", "all check ", "all accepted ", "all accepted "]
    tabs = [a["value"] for t, a in page.tags if t == "input" and a["type"] == "radio"]
    assert tabs == ["all", "check", "accepted"]


def test_a_run_has_curves_and_a_sweep_the_table_of_its_jobs(tmp_path: Path) -> None:
    folder = run(tmp_path / "sweep" / "0_a")
    write_page(folder)
    table = (
        "job,lr,status,map,number_accuracy,minutes,error\n"
        "0_a,0.1,finished,0.3,0.0,,\n1_b,0.2,failed,,,,out of <memory>\n"
    )
    (tmp_path / "sweep" / "sweep.csv").write_text(table)
    page = Parsed(write_page(tmp_path / "sweep"))
    assert {"Sweep", "0_a", "1_b", "out of <memory>"} <= set(page.texts)
    assert "number accuracy" in page.texts  # of no job above 0
    assert "minutes of training" not in page.texts  # of no job known
    assert [a["href"] for t, a in page.tags if t == "a" and not a["href"].startswith("#")] == [
        "0_a/report.html"
    ]
    charts = [a["aria-label"] for t, a in page.tags if a.get("class") == "chart"]
    assert charts == ["Learning curves of all jobs"]
    assert "Training" in Parsed(folder / "report.html").texts


def test_the_command_names_the_page_or_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(tmp_path / "run", HEADER + ROWS)
    monkeypatch.setattr(sys, "argv", ["report", str(folder)])
    command.main()
    assert str(folder / "report.html") in capsys.readouterr().out
    with pytest.raises(DigitsError, match="nothing to report on"):
        write_page(tmp_path)
    (folder / "metrics.json").write_text("[1]")
    with pytest.raises(DigitsError, match=r"metrics\.json: expected named values, got \[1\]"):
        write_page(folder)
    (folder / "metrics.json").write_text('{"confusion": "x"}')
    with pytest.raises(DigitsError, match=r"metrics\.json: confusion: expected a list, got 'x'"):
        write_page(folder)


CHECK = """
<script>
addEventListener("load", async () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const photos = [...page.querySelectorAll(".photo")];
  const seen = () => photos.filter((photo) => photo.offsetWidth).length;
  const press = (key) =>
    page.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const found = {title: page.title, all: seen()};
  found.wide = page.documentElement.scrollWidth;
  page.querySelector("[value=order]").click();
  found.order = seen();
  page.querySelector("[value=all]").click();
  const search = page.querySelector("[type=search]");
  search.value = "21"; search.dispatchEvent(new Event("input", {bubbles: true}));
  found.search = seen();
  search.value = ""; search.dispatchEvent(new Event("input", {bubbles: true}));
  photos[0].focus();
  press("ArrowRight");
  found.focused = photos.indexOf(page.activeElement);
  page.activeElement.click();
  const dialog = page.querySelector("dialog");
  found.open = dialog.open && dialog.textContent.includes("second guess");
  press("ArrowRight");
  found.next = dialog.textContent.includes("confused");
  const images = [...page.querySelectorAll(".photo image")];
  found.drawn = images.every((image) => image.getBBox().width > 0);
  document.title = JSON.stringify(found);
});
</script>
"""


def test_a_browser_filters_and_opens_photos_on_a_phone(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here to open the page in")
    page = write_page(prediction(tmp_path / "p"))
    frame = f'<iframe src="{page.as_uri()}" width="390" height="700"></iframe>'
    (tmp_path / "check.html").write_text(f"<!DOCTYPE html><meta charset=utf-8>{frame}{CHECK}")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}",
            (tmp_path / "check.html").as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = json.loads(html.unescape(done.stdout.split("<title>")[1].split("</title>")[0]))
    assert found.pop("wide") <= 390
    assert found == {
        "title": "Prediction: p", "all": 4, "order": 1, "search": 1, "focused": 1, "open": True,
        "next": True, "drawn": True,
    }  # fmt: skip
