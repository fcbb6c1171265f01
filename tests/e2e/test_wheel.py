"""The wheel, installed into an empty environment outside the checkout, reads a photo."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from digits import __version__

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
READ = """
import importlib.metadata, digits
number = digits.load().read('photo.png').number
print(digits.__file__, importlib.metadata.version('digits'), number)
"""


def run(*command: object, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=timeout,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if UV is None:
        pytest.skip("uv is not here: pip install uv")
    # From a copy: setuptools leaves its build folder beside what it builds.
    source = tmp_path_factory.mktemp("source")
    for name, mine in (("digits", ()), ("conf", ()), ("checkpoints", ("detections",))):
        left_out = shutil.ignore_patterns("__pycache__", *mine)
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = run(UV, "build", "--wheel", "--out-dir", source / "dist", cwd=source)
    if "build-system.requires" in built.stderr:
        pytest.skip(f"no index and no cache here: {built.stderr.strip().splitlines()[-1]}")
    assert not built.returncode, built.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path


def test_the_wheel_holds_what_it_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "digits").rglob("*.py")
    }  # fmt: skip
    assert expected <= names
    for folder in ("conf", "checkpoints"):
        files = [p for p in (ROOT / folder).rglob("*") if p.suffix in (".yaml", ".ckpt", ".json")]
        kept = [p for p in files if "detections" not in p.parts]
        assert kept and {f"digits/{path.relative_to(ROOT)}" for path in kept} <= names
    assert not any(name.startswith(("tests", "benchmarks", "docs")) for name in names)


@pytest.mark.slow
def test_installed_elsewhere_it_reads_a_photo(wheel: Path, tmp_path: Path) -> None:
    python, photo = tmp_path / "env" / "bin" / "python", tmp_path / "photo.png"
    shutil.copy(ROOT / "docs" / "photos" / "house-25.png", photo)
    assert (
        run(UV, "venv", "--python", sys.executable, tmp_path / "env", cwd=tmp_path).returncode == 0
    )
    installed = run(UV, "pip", "install", "--python", python, wheel, cwd=tmp_path)
    if installed.returncode:
        pytest.skip(f"no index and no cache here: {installed.stderr.strip().splitlines()[-1]}")
    library = run(python, "-c", READ, cwd=tmp_path)
    assert library.returncode == 0, library.stderr
    where, version, number = library.stdout.split()
    assert Path(where).is_relative_to(tmp_path) and (version, number) == (__version__, "25")

    command = run(python.parent / "digits-predict", "photos=photo.png", "num_workers=0",
                  "output_dir=out", cwd=tmp_path)  # fmt: skip
    assert command.returncode == 0, command.stderr
    assert "25" in (tmp_path / "out" / "numbers.csv").read_text()
    trains = run(python.parent / "digits-train", "--cfg", "job", cwd=tmp_path)
    assert trains.returncode == 0 and "batch_size" in trains.stdout
