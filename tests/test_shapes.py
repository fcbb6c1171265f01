import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits import shapes
from digits.errors import DigitsError
from digits.misfits import Misfit, MisfitError


class Photo(msgspec.Struct, forbid_unknown_fields=True):
    image_id: int
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    kind: Literal["raw", "png"] = "raw"
    box: tuple[float, float] = (0.0, 0.0)
    names: dict[str, float] = {}


class Photos(msgspec.Struct):
    photos: list[Photo]

    def __post_init__(self) -> None:
        if len({photo.image_id for photo in self.photos}) < len(self.photos):
            raise ValueError("expected an id per photo, all different")


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ('{"image_id": "7"}', "photos[0].image_id: expected a whole number, got '7'"),
        ('{"image_id": 7.0}', "photos[0].image_id: expected a whole number, got 7.0"),
        ('{"image_id": true}', "photos[0].image_id: expected a whole number, got True"),
        ('{"image_id": null}', "photos[0].image_id: expected a whole number, got None"),
        ('{"image_id": [1, 2]}', "photos[0].image_id: expected a whole number, got [1, 2]"),
        ('{"score": 1}', "photos[0]: lacks 'image_id'"),
        ('{"image_id": 1, "aura": 1}', "photos[0]: has the unknown name 'aura'"),
        ('{"image_id": 1, "score": 1.5}', "photos[0].score: expected a number <= 1.0, got 1.5"),
        ('{"image_id": 1, "score": 1e400}', "photos[0].score: expected a smaller number"),
        ('{"image_id": 1, "score": NaN}', "not JSON"),
        ('{"image_id": 1, "kind": "gif"}', "expected one of the known names, got 'gif'"),
        ('{"image_id": 1, "box": [1]}', "photos[0].box: expected a list of length 2, got [1]"),
        ('{"image_id": 1, "names": {"a": "b"}}', "photos[0].names[...]: expected a number"),
        ('{"image_id": 1, "a\\nb": 1}', r"photos[0]: has the unknown name 'a\nb'"),
        ("3", "photos[0]: expected named values, got 3"),
        ('{"image_id": 1}, {"image_id": 1}', "expected an id per photo, all different"),
        ('{"image_id": 1', "not JSON"),
        ("[" * 100_000, "photos[0]: expected named values."),
        ("[}", "not JSON"),
        ('"' + "x" * 5000 + '"', "photos[0]: expected named values"),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_path(
    photo: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "photos.json"
    path.write_text(f'{{"photos": [{photo}]}}')
    with pytest.raises(DigitsError) as error:
        shapes.decode_file(path, Photos)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and message in text
    assert "\n" not in text and len(text) < 300 + len(str(path))


def test_what_fits_is_read_also_after_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "photos.json"
    path.write_bytes(b'\xef\xbb\xbf{"photos": [{"image_id": 7, "score": 1}], "more": 1}')
    assert shapes.decode_file(path, Photos).photos == [Photo(7, 1.0)]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"null", b'{"photos": ["\xff"]}'])
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photos.json"
    path.write_bytes(content)
    with pytest.raises(DigitsError, match=r"photos\.json: "):
        shapes.decode_file(path, Photos)


def test_what_may_never_end_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    start = time.process_time()
    for name, kind in ((str(tmp_path / "pipe"), "a pipe"), ("/dev/zero", "a pipe, a device")):
        with pytest.raises(DigitsError, match=f"expected a file, got {kind}"):
            shapes.read_file(Path(name))
    with pytest.raises(DigitsError, match="expected a file, got a folder"):
        shapes.read_file(tmp_path)
    with pytest.raises(DigitsError, match="no such file"):
        shapes.read_file(tmp_path / "gone")
    with pytest.raises(DigitsError, match="cannot be read"):
        shapes.read_file(tmp_path / ("x" * 300))
    assert time.process_time() - start < 1  # nor is anything read of what has no end


def test_a_file_has_a_largest_size(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(DigitsError, match="larger than 256 MiB"):
        shapes.read_file(path)
    path.write_bytes(b"[1]")
    assert shapes.read_file(path, limit=3) == b"[1]"
    with pytest.raises(DigitsError, match="larger than"):
        shapes.read_file(path, limit=2)


def test_plain_data_is_held_to_the_same_shapes() -> None:
    assert shapes.convert({"photos": [{"image_id": 7}]}, Photos).photos[0].image_id == 7
    with pytest.raises(MisfitError) as error:
        shapes.convert({"image_id": 1, "score": -1}, Photo, "inference")
    assert str(error.value) == "inference: score: expected a number >= 0.0, got -1."
    assert error.value.misfit == Misfit("score", "expected a number >= 0.0", "-1")
    for value in (float("nan"), float("inf"), 10**400):
        with pytest.raises(DigitsError):
            shapes.convert(value, shapes.Finite)
    with pytest.raises(DigitsError, match="expected text as each name"):
        shapes.convert({1: 2}, Photo)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
)


@given(PLAIN | st.builds(lambda a, b: {"photos": [{"image_id": a, "names": b}]}, PLAIN, PLAIN))
def test_whatever_it_is_it_fits_or_is_one_line(value: Any) -> None:
    try:
        said = f"here: {shapes.convert(value, Photos, 'here')!r}"
    except DigitsError as error:
        said = str(error)
    assert said.startswith("here: ") and "\n" not in said
