import subprocess
import sys
from functools import partial

import pytest

from digits.data import coco, svhn
from digits.data.folder import PhotoFolder
from digits.data.paths import path_text
from digits.errors import DigitsError


def test_text_passes_through() -> None:
    assert path_text("data.root", "./2023") == "./2023"


@pytest.mark.parametrize("value", [2023, 20.5, True])
@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("any", partial(path_text, "any")),
        ("data.root", partial(coco.open_split, "train")),
        ("data.root", partial(svhn.open_split, "train")),
        ("photos", PhotoFolder),
    ],
)
def test_a_number_is_refused_in_one_line(key, call, value) -> None:
    says = rf"^{key}={value}: taken for a number; say {key}=\./NAME\.$"
    with pytest.raises(DigitsError, match=says):
        call(value)


def test_it_loads_no_torch() -> None:
    code = "import sys, digits.data.paths; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
