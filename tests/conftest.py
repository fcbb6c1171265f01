"""Fixtures: tiny data sets in the course's layout, and the entry scripts run in this process.

Importing torch and Lightning takes seconds, so the scripts run in-process wherever a test can.
"""

import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # train.py and predict.py are scripts, not part of the package

# Enough of a training to write every file: seconds, not minutes.
TINY = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.log_every_n_steps=1",
    "batch_size=4",
    "num_workers=0",
    "model.min_size=48",
    "callbacks.progress_bar=null",
)
TINY_DATA = ("data.valid_count=6", "data.test_count=5")  # of data=synthetic


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that processes which share the files end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@dataclass
class Outcome:
    """What a user sees of a script that ran."""

    code: int
    out: str
    err: str
    value: Any
    folder: Path

    def files(self) -> set[str]:
        """Names of the outputs, those of Hydra itself left out."""
        return {p.name for p in self.folder.glob("*") if p.suffix != ".log" and p.name != ".hydra"}


def run_script(name: str, folder: Path, *overrides: str) -> Outcome:
    """Run train.py or predict.py in this process, as if by command line."""
    values: list[Any] = []
    run = Hydra.run

    def recording(self: Hydra, *args: Any, **kwargs: Any) -> Any:
        result = run(self, *args, **kwargs)
        values.append(result.return_value)
        return result

    # Hydra's own logging would hold on to this test's stdout.
    quiet = ("hydra/job_logging=none", "hydra/hydra_logging=none")
    argv = [f"{name}.py", "--config-path", str(ROOT / "conf"), f"output_dir={folder}"]
    out, err, code = io.StringIO(), io.StringIO(), 0
    state = torch.get_rng_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*argv, *quiet, *overrides])
        patch.setattr(Hydra, "run", recording)
        for variable in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
            patch.setenv(variable, os.environ.get(variable, "0"))  # restored afterwards
        GlobalHydra.instance().clear()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                importlib.import_module(name).main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            finally:
                GlobalHydra.instance().clear()
    torch.set_rng_state(state)
    return Outcome(code, out.getvalue(), err.getvalue(), values[0] if values else None, folder)


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Outcome]:
    """`train("group=option", ...)`: train.py with a tiny budget, into tmp_path / run."""

    def run(*overrides: str) -> Outcome:
        synthetic = not any(o.startswith("data=") for o in overrides)
        data = TINY_DATA if synthetic else ()
        return run_script("train", tmp_path / "run", *TINY, *data, *overrides)

    return run


@pytest.fixture
def predict(tmp_path: Path) -> Callable[..., Outcome]:
    """`predict("ckpt=...", ...)`: predict.py into tmp_path / prediction."""
    tiny = ("device=cpu", "num_workers=0")
    return lambda *overrides: run_script("predict", tmp_path / "prediction", *tiny, *overrides)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One tiny training for all tests that need its files; nobody writes into its folder."""
    outcome = run_script("train", tmp_path_factory.mktemp("trained") / "run", *TINY, *TINY_DATA)
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real photos of SVHN in the course's layout: $DIGITS_SVHN, or ../shared/data/svhn."""
    root = Path(os.environ.get("DIGITS_SVHN", ROOT.parent / "shared" / "data" / "svhn"))
    if not (root / "train.json").is_file():
        pytest.skip(f"no real photos: {root}/train.json is not there (set DIGITS_SVHN=DIR)")
    return root


@pytest.fixture
def coco_root(tmp_path: Path) -> Path:
    """A data set in the course's layout: 3 train, 2 valid, 3 test photos of 40 x 30 pixels."""
    root = tmp_path / "data"
    for split, ids in (("train", (1, 2, 10)), ("valid", (3, 4)), ("test", (2, 10, 1))):
        (root / split).mkdir(parents=True)
        for image_id in ids:
            save_photo(root / split / f"{image_id}.png", seed=image_id)
        if split != "test":
            content = {
                "images": [
                    {"id": i, "file_name": f"{i}.png", "height": 30, "width": 40} for i in ids
                ],
                "annotations": [
                    {
                        "id": n,
                        "image_id": i,
                        "bbox": [5.0 + 15 * k, 4.0, 10.0, 20.0],
                        "category_id": (i + k) % 10 + 1,
                        "area": 200.0,
                        "iscrowd": 0,
                    }
                    for n, (i, k) in enumerate((i, k) for i in ids for k in (1, 0))
                ],
                "categories": [{"id": d + 1, "name": str(d)} for d in range(10)],
            }
            (root / f"{split}.json").write_text(json.dumps(content))
    return root


def save_photo(path: Path, height: int = 30, width: int = 40, seed: int = 0) -> None:
    """A photo of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def edit_json(coco_root: Path) -> Callable[..., Path]:
    """`edit_json(change, split)`: apply `change(content)` to an annotation file."""

    def edit(change: Callable[[dict[str, Any]], Any], split: str = "train") -> Path:
        path = coco_root / f"{split}.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return path

    return edit


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    torch.manual_seed(0)
