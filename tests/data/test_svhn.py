"""A small SVHN with the layout of MATLAB's v7.3 files, unpacked, packed, served and damaged."""

import functools
import io
import itertools
import json
import os
import tarfile
import threading
from collections.abc import Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from digits.data import digit_struct, svhn
from digits.errors import DigitsError

# name -> rows of label, left, top, width, height; out of order, as in no promise of SVHN's
PHOTOS = {
    "10.png": [(10, 3.0, 4.0, 5.0, 9.0)],
    "2.png": [(1, -1.0, 2.0, 6.0, 11.0), (10, 6.0, 2.0, 7.0, 11.0), (9, 14.0, 2.0, 90.0, 11.0)],
    "1.png": [(5, 2.0, 1.0, 4.0, 8.0)],
    "3.png": [(2, 0.0, 0.0, 4.0, 8.0), (2, 5.0, 0.0, 4.0, 8.0)],
}
SIZES = {"1.png": (30, 20), "2.png": (40, 25), "3.png": (31, 21), "10.png": (300, 7)}
Row = tuple[float, float, float, float, float]


def write_digit_struct(path: Path, photos: dict[str, list[Row]]) -> None:
    """MATLAB's layout: a user block, and every value an object of ``#refs#`` behind a reference."""
    with h5py.File(path, "w", userblock_size=512) as file:
        store, counter = file.create_group("#refs#"), itertools.count()

        def put(parent: h5py.Group, name: str, data: np.ndarray, kind: str) -> h5py.Reference:
            dtype = h5py.ref_dtype if data.dtype == object else data.dtype
            dataset = parent.create_dataset(name, data=data, dtype=dtype)
            dataset.attrs["MATLAB_class"] = np.bytes_(kind)
            return dataset.ref

        def stored(data: np.ndarray, kind: str) -> h5py.Reference:
            return put(store, f"r{next(counter):x}", data, kind)

        def references(items: Sequence[h5py.Reference]) -> np.ndarray:
            column = np.empty((len(items), 1), dtype=h5py.ref_dtype)
            column[:, 0] = items
            return column

        names, boxes = [], []
        for name, rows in photos.items():
            letters = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
            names.append(stored(letters, "char"))
            group = store.create_group(f"r{next(counter):x}")
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            boxes.append(group.ref)
            for field, values in zip(digit_struct.FIELDS, zip(*rows, strict=True), strict=True):
                if len(values) == 1:
                    put(group, field.decode(), np.array([values]), "double")
                else:
                    cells = [stored(np.array([[value]]), "double") for value in values]
                    put(group, field.decode(), references(cells), "cell")
        top = file.create_group("digitStruct")
        put(top, "name", references(names), "cell")
        put(top, "bbox", references(boxes), "cell")
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def unpacked(root: Path, split: str = "train") -> Path:
    folder = root / split
    folder.mkdir(parents=True)
    for name, size in SIZES.items():
        Image.new("RGB", size).save(folder / name)
    write_digit_struct(folder / "digitStruct.mat", PHOTOS)
    return folder


def packed(root: Path, source: Path, split: str = "train") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / f"{split}.tar.gz", "w:gz") as tar:
        tar.add(unpacked(source, split), arcname=split)
    return root / f"{split}.tar.gz"


def test_reads_digit_struct(tmp_path: Path) -> None:
    write_digit_struct(tmp_path / "digitStruct.mat", PHOTOS)
    read = digit_struct.read_digit_struct(tmp_path / "digitStruct.mat")
    assert [name for name, _ in read] == list(PHOTOS)
    for name, boxes in read:
        assert boxes.dtype == np.float64
        np.testing.assert_array_equal(boxes, PHOTOS[name])


def test_coco_form(tmp_path: Path) -> None:
    unpacked(tmp_path)
    path = svhn.prepare(tmp_path, "train")
    assert path == tmp_path / "train.coco.json"
    coco = json.loads(path.read_text())
    assert coco["images"] == [
        {"id": 1, "file_name": "1.png", "height": 20, "width": 30},
        {"id": 2, "file_name": "2.png", "height": 25, "width": 40},
        {"id": 3, "file_name": "3.png", "height": 21, "width": 31},
        {"id": 10, "file_name": "10.png", "height": 7, "width": 300},
    ]
    assert coco["categories"] == [{"id": n + 1, "name": str(n)} for n in range(10)]
    assert [one["id"] for one in coco["annotations"]] == list(range(1, 8))
    classes = [(one["image_id"], one["category_id"]) for one in coco["annotations"]]
    assert classes == [(1, 6), (2, 2), (2, 1), (2, 10), (3, 3), (3, 3), (10, 1)]
    assert coco["annotations"][1] == {
        "id": 2,
        "image_id": 2,
        "bbox": [-1.0, 2.0, 6.0, 11.0],
        "area": 66.0,
        "category_id": 2,
        "iscrowd": 0,
    }


def test_same_form_as_the_course(tmp_path: Path, real_data: Path) -> None:
    course = real_data / "train.json"
    unpacked(tmp_path)
    ours = json.loads(svhn.prepare(tmp_path, "train").read_text())
    theirs = json.loads(course.read_text())
    assert ours["categories"] == theirs["categories"]
    for key in ("images", "annotations"):
        kinds = [{k: type(v) for k, v in one[key][0].items()} for one in (ours, theirs)]
        assert kinds[0] == kinds[1]


def test_archive_is_unpacked(tmp_path: Path) -> None:
    packed(tmp_path / "root", tmp_path / "source", "test")
    svhn.prepare(tmp_path / "root", "test")
    left = sorted(path.name for path in (tmp_path / "root").iterdir())
    assert left == ["test", "test.coco.json", "test.tar.gz"]


def test_cache_is_reused_until_the_mat_is_newer(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    path = svhn.prepare(tmp_path, "train")
    path.write_text("cached")
    assert svhn.prepare(tmp_path, "train").read_text() == "cached"
    later = path.stat().st_mtime + 10
    os.utime(folder / "digitStruct.mat", (later, later))
    assert svhn.prepare(tmp_path, "train").read_text() != "cached"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DigitsError) as error:
        svhn.prepare(tmp_path, "extra")
    for words in (f"{tmp_path}/extra.tar.gz", "data.download=true", "1955 MB", "non-commercial"):
        assert words in str(error.value)


def test_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(DigitsError, match="no split 'trian': expected one of train, test, extra"):
        svhn.prepare(tmp_path, "trian")


@pytest.mark.parametrize("known", [True, False])
def test_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    archive = packed(tmp_path / "site", tmp_path / "source")
    size = archive.stat().st_size + (0 if known else 1)
    monkeypatch.setitem(svhn.ARCHIVES, "train", (size, None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path / "site")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, 0.02))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        try:
            if known:
                svhn.prepare(tmp_path / "root", "train", download=True, base_url=url)
                assert (tmp_path / "root" / "train.tar.gz.sha256").exists()
                assert (tmp_path / "root" / "train" / "10.png").exists()
            else:
                with pytest.raises(DigitsError, match=f"wrong size: expected {size} bytes"):
                    svhn.prepare(tmp_path / "root", "train", download=True, base_url=url)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("damage", ["truncated", "no gzip", "escapes", "other folder", "bomb"])
def test_damaged_archive_leaves_nothing_behind(tmp_path: Path, damage: str) -> None:
    archive = packed(tmp_path / "root", tmp_path / "source")
    if damage == "truncated":
        archive.write_bytes(archive.read_bytes()[:-1000])
    elif damage == "no gzip":
        archive.write_bytes(b"<html>Sign in to this network</html>")
    elif damage == "bomb":
        with tarfile.open(archive, "w:gz") as tar:
            member = tarfile.TarInfo("train/1.png")
            member.size = 1 << 40
            tar.fileobj.write(member.tobuf())
    else:
        with tarfile.open(archive, "w:gz") as tar:
            name = "../outside.png" if damage == "escapes" else "1.png"
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DigitsError, match="Cannot unpack .*SVHN's own has 404141560"):
        svhn.prepare(tmp_path / "root", "train")
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["train.tar.gz"]
    assert not (tmp_path / "outside.png").exists()


def test_missing_photo_and_missing_mat(tmp_path: Path) -> None:
    folder = unpacked(tmp_path)
    (folder / "3.png").unlink()
    with pytest.raises(DigitsError, match="3.png is missing or no PNG"):
        svhn.prepare(tmp_path, "train")
    (folder / "3.png").write_bytes(b"GIF89a" * 10)
    with pytest.raises(DigitsError, match="3.png is missing or no PNG"):
        svhn.prepare(tmp_path, "train")
    assert [path.name for path in tmp_path.iterdir()] == ["train"]  # no half-written JSON
    (folder / "digitStruct.mat").unlink()
    with pytest.raises(DigitsError, match="has no digitStruct.mat"):
        svhn.prepare(tmp_path, "train")


def corrupt(path: Path, how: str) -> None:
    if how == "text":
        path.write_text("not HDF5")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    elif how == "bad name":
        write_digit_struct(path, {"../1.png": PHOTOS["1.png"]})
    elif how == "bad label":
        write_digit_struct(path, {"1.png": [(11, 0.0, 0.0, 1.0, 1.0)]})
    elif how == "nan":
        write_digit_struct(path, {"1.png": [(1, float("nan"), 0.0, 1.0, 1.0)]})
    else:
        with h5py.File(path, "r+") as file:
            if how == "no group":
                del file["digitStruct"]
                return
            if how == "fewer names":
                names = file["digitStruct/name"][:-1]
                del file["digitStruct/name"]
                file["digitStruct"].create_dataset("name", data=names, dtype=h5py.ref_dtype)
                return
            if how == "billions":  # in a file of some kilobytes
                del file["digitStruct/bbox"]
                shape = (10**9, 1)
                file["digitStruct"].create_dataset("bbox", shape, h5py.ref_dtype, chunks=(999, 1))
                return
            if how in ("long name", "name a group"):
                store = file["#refs#"]
                long = store.create_dataset("long", (10**9,), "u2", chunks=(999,))
                names = file["digitStruct/name"][()]
                names[0] = (long if how == "long name" else store).ref
                file["digitStruct/name"][...] = names
                return
            group = file[file["digitStruct/bbox"][1, 0]]  # 2.png, three digits
            shape = {"no field": None, "ragged": (2, 1), "mixed": (3, 1), "wide": (9, 1)}[how]
            old = group["top"][()]
            del group["top"]
            if how == "ragged":
                group.create_dataset("top", data=old[: shape[0]], dtype=h5py.ref_dtype)
            elif shape:
                group.create_dataset("top", data=np.zeros(shape))
            if how == "wide":
                del group["label"]
                group.create_dataset("label", data=np.ones(shape))


@pytest.mark.parametrize(
    "how",
    [
        "text",
        "truncated",
        "bad name",
        "bad label",
        "nan",
        "no group",
        "fewer names",
        "no field",
        "ragged",
        "mixed",
        "wide",
        "billions",
        "long name",
        "name a group",
    ],
)
def test_corrupt_digit_struct(tmp_path: Path, how: str) -> None:
    path = tmp_path / "digitStruct.mat"
    write_digit_struct(path, PHOTOS)
    corrupt(path, how)
    with pytest.raises(DigitsError, match="is not a whole digitStruct.mat"):
        digit_struct.read_digit_struct(path)


def test_train_and_valid_part_the_same_photos(tmp_path: Path) -> None:
    unpacked(tmp_path)
    unpacked(tmp_path, "test")
    train = svhn.open_split("train", str(tmp_path), valid_share=0.25)
    valid = svhn.open_split("valid", str(tmp_path), valid_share=0.25)
    assert train.folder == valid.folder == tmp_path / "train"
    assert len(valid) == 1
    assert sorted([*train.image_ids, *valid.image_ids]) == [1, 2, 3, 10]
    test = svhn.open_split("test", str(tmp_path))
    assert test.folder == tmp_path / "test"
    assert test.image_ids.tolist() == [1, 2, 3, 10]


def test_valid_ids_are_stable() -> None:
    ids = svhn.valid_ids(range(1, 33403))
    assert len(ids) == 3340  # as many as the course's own valid
    assert ids[:5].tolist() == [7, 19, 23, 49, 63]
    np.testing.assert_array_equal(ids, svhn.valid_ids(reversed(range(1, 33403))))


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0, -0.5, 2.0, float("nan")])
def test_share_that_leaves_a_side_empty(share: float) -> None:
    with pytest.raises(DigitsError, match="valid_share="):
        svhn.valid_ids([1, 2, 3, 4], share)


def test_a_test_folder_of_photos_alone_is_unlabelled(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for number in (10, 9):
        Image.new("RGB", (30, 20)).save(tmp_path / "test" / f"{number}.png")
    data = svhn.open_split("test", str(tmp_path))
    assert not data.labelled and data.image_ids.tolist() == [9, 10]


@pytest.mark.parametrize("name", ["train/digitStruct.mat", "train.tar.gz"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(DigitsError, match=f"{name}: expected a file, got a pipe"):
        svhn.open_split("train", str(tmp_path))
