import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

# Lowest first: a module imports from lower layers, and from its own package.
LAYERS = (
    {"errors", "outputs"},
    {"resources"},
    {"types", "console", "own_code", "misfits"},
    {"ending", "records"},
    {"shapes"},
    {"io", "geometry", "fingerprints", "options", "passes"},
    {"torch_files", "detections"},
    {"data", "models", "evaluation", "run_info"},
    {"reading", "report"},
    {"builders", "checkpoint_file"},
    {"checkpoint"},
    {"recognition"},
    {"inference"},
    {"ensemble", "training", "calibrate"},
    {"reader"},
    {"export"},
    {"sweep", "serve"},
    {"cli", "__main__"},
)
PACKAGES = {path.name for path in (ROOT / "digits").iterdir() if (path / "__init__.py").is_file()}
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}
MODULES = sorted((ROOT / "digits").rglob("*.py"))
SCRIPTS = (ROOT / "train.py", ROOT / "predict.py")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Everything imported anywhere in a file, in functions too; names resolved to modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = str(node.module)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                here = ROOT / Path(*whole.split("."))
                is_module = here.is_dir() or here.with_suffix(".py").is_file()
                found.add(whole if is_module else base)
    return found


def toplevel(path: Path) -> set[str]:
    """Packages that importing a file imports; what only mypy sees is left out."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    nodes = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {
        name.split(".")[0]
        for node in nodes
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        )
        if name
    }


def part(module: str) -> str:
    return module.split(".")[1]


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dependencies_point_one_way(path: Path) -> None:
    own = name_of(path)
    if own == "digits":  # loads the rest when it is asked for
        assert toplevel(path) == {"os", "pathlib", "typing"}
        return
    assert part(own) in RANK, f"{own}: say in LAYERS where it belongs"
    for other in sorted(name for name in imports(path) if name.startswith("digits.")):
        assert part(other) in RANK, f"{other}: say in LAYERS where it belongs"
        same_package = part(own) == part(other) and part(own) in PACKAGES
        assert same_package or RANK[part(other)] < RANK[part(own)], f"{own} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_commands_see_the_configuration(path: Path) -> None:
    used = packages(path)
    assert not used & {"train", "predict", "benchmarks"}
    if (
        part(name_of(path) + ".") == "cli" or path.name == "callback.py"
    ):  # Hydra calls it in a sweep
        return
    assert "omegaconf" not in used
    allowed = {"ending": {"hydra.errors"}}  # shortens what Hydra says
    seen = {name for name in imports(path) if name.split(".")[0] == "hydra"}
    assert seen <= allowed.get(path.stem, set())


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent.name == "models"], ids=name_of)
def test_models_are_torch_only(path: Path) -> None:
    assert not packages(path) & {"lightning", "torchmetrics", "hydra", "omegaconf", "matplotlib"}


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_do_not_import_each_other(path: Path) -> None:
    assert not packages(path) & {"train", "predict"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_docstrings_name_is_there(path: Path) -> None:
    for name in re.findall(r"`(digits(?:\.\w+)+)`", path.read_text(encoding="utf-8")):
        pkgutil.resolve_name(name)


def test_the_parser_sees_imports_in_functions(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def f():\n    from digits.data import coco\n    import os.path\n")
    assert imports(path) == {"digits.data.coco", "os.path"}


def printed(code: str) -> list[str]:
    """The words that a new process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_detector_loads_without_lightning_or_hydra() -> None:
    code = (
        "import sys, digits.models.detector, digits.models.resnets, digits.types\n"
        "print(sorted({'lightning', 'hydra', 'omegaconf', 'matplotlib', 'torchmetrics'} & "
        "set(sys.modules)))"
    )
    assert printed(code) == ["[]"]


def test_reading_photos_loads_nothing_that_only_training_and_scores_need() -> None:
    code = (
        "import sys, predict, digits.data.coco, digits.data.folder, digits.models.detector\n"
        "print(sorted({'lightning', 'torchmetrics', 'scipy', 'sklearn', 'ensemble_boxes', 'numba', "
        "'pandas', 'matplotlib', 'torch._dynamo', 'torch._dynamo.utils'} & set(sys.modules)))\n"
        "from torchvision.ops.roi_align import is_compile_supported as ours\n"
        "from torch._dynamo.utils import is_compile_supported as own\n"
        "print(ours('cpu') == own('cpu'))"
    )
    assert printed(code) == ["[]", "True"]


def test_importing_the_library_is_instant() -> None:
    code = (
        "import sys, time; start = time.process_time(); import digits; "
        "print(time.process_time() - start, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    seconds, torch, numpy = printed(code)
    assert float(seconds) < 0.1 and torch == numpy == "False"
