from functools import cache

import cv2
import made
import numpy as np
import pytest
import torch
from conftest import ROOT
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from digits.data.photometric import Photometric
from digits.data.transforms import Geometric
from digits.data.warping import clip_boxes, extend, warp_boxes

CONF = ROOT / "conf" / "augmentation"
GROUPS = sorted(path.stem for path in CONF.glob("*.yaml"))
INK = torch.tensor([250, 20, 20], dtype=torch.uint8)


@cache
def from_yaml(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return instantiate(compose(name))


def make(boxes, height=60, width=120, grey=90, labels=None):
    """A grey photo with a filled rectangle of ink per box."""
    image = torch.full((3, height, width), grey, dtype=torch.uint8)
    for x1, y1, x2, y2 in boxes:
        image[:, y1:y2, x1:x2] = INK[:, None, None]
    return image, made.target(boxes, labels or range(1, len(boxes) + 1), 7)


def ink_box(image):
    ys, xs = np.where((image[0].int() - image[1].int()).numpy() > 115)
    return torch.tensor([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], dtype=torch.float32)


def iou(a, b):
    inter = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    return float(inter / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter))


def check_contract(image, target):
    height, width = image.shape[1:]
    boxes, labels = target["boxes"], target["labels"]
    assert image.dtype == torch.uint8 and image.shape[0] == 3 and image.is_contiguous()
    assert boxes.dtype == torch.float32 and boxes.shape == (len(labels), 4)
    assert labels.dtype == torch.int64 and target["image_id"] == 7
    assert (boxes >= 0).all() and (boxes <= torch.tensor([width, height] * 2)).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


# No shear: a rectangle, unlike a digit, does fill the corners of its box.
UPRIGHT = Geometric(shear=0, rotate=2, steep_p=0, perspective=0.05)


@pytest.mark.parametrize("seed", range(40))
def test_box_moves_with_ink(seed):
    torch.manual_seed(seed)
    image, target = UPRIGHT(*make([(40, 14, 60, 46)]))
    assert iou(target["boxes"][0], ink_box(image)) > 0.8


@pytest.mark.parametrize("seed", range(20))
def test_box_fits_sheared_digit(seed):
    image = np.full((160, 240, 3), 90, np.uint8)
    cv2.putText(image, "3", (90, 120), cv2.FONT_HERSHEY_SIMPLEX, 3, INK.tolist(), 10, cv2.LINE_AA)
    image = torch.from_numpy(image).permute(2, 0, 1)
    box = ink_box(image)
    torch.manual_seed(seed)
    target = {"boxes": box[None], "labels": torch.tensor([4]), "image_id": 7}
    moved, target = Geometric()(image, target)
    assert iou(target["boxes"][0], ink_box(moved)) > 0.8


def test_untouched_boxes_would_be_noticed():
    hits = 0
    for seed in range(20):
        torch.manual_seed(seed)
        image, target = make([(40, 14, 60, 46)])
        moved, _ = UPRIGHT(image, target)
        hits += iou(target["boxes"][0], ink_box(moved)) > 0.8
    assert hits < 5


def test_warp_boxes_is_exact_for_scale_and_shift():
    matrix = np.array([[2.0, 0, 5], [0, 3, -1], [0, 0, 1]])
    moved = warp_boxes(np.array([[1.0, 2, 3, 5]]), matrix)
    np.testing.assert_allclose(moved, [[7, 5, 11, 14]])
    assert warp_boxes(np.zeros((0, 4)), matrix).shape == (0, 4)


def test_warp_boxes_lies_between_midpoints_and_corners():
    sheared = np.array([[1.0, 0.2, 0], [0, 1, 0], [0, 0, 1]])
    width = [
        float(np.ptp(warp_boxes(np.array([[0.0, 0, 10, 20]]), sheared, p)[0, ::2]))
        for p in (1.0, 1.5, 50.0)
    ]
    assert width[0] == pytest.approx(14) and width[0] > width[1] > width[2] >= 10


def test_clip_boxes_tells_the_share_inside():
    boxes, share = clip_boxes(np.array([[-5.0, 0, 5, 10], [30, 0, 40, 10]]), 20, 10)
    np.testing.assert_allclose(boxes[0], [0, 0, 5, 10])
    np.testing.assert_allclose(share, [0.5, 0])


@pytest.mark.parametrize("seed", range(20))
def test_never_mirrored(seed):
    """The matrix keeps its handedness, and an L keeps its foot at the lower right."""
    boxes = np.array([[40.0, 14, 60, 46]])
    rng = np.random.default_rng(seed)
    matrix, _ = Geometric()._draw(boxes, 120, 60, rng)
    assert np.linalg.det(matrix[:2, :2]) > 0 and matrix[0, 0] > 0 and matrix[1, 1] > 0
    image, target = make([(40, 14, 60, 46)])
    image[:, 14:38, 47:60] = 90
    torch.manual_seed(seed)
    moved, target = Geometric(shear=0)(image, target)
    x1, y1, x2, y2 = target["boxes"][0].round().int().tolist()
    red = (moved[0].int() - moved[1].int())[y1:y2, x1:x2].clamp(min=0).float()
    h, w = red.shape
    quarters = [
        red[i * h // 2 : (i + 1) * h // 2, j * w // 2 : (j + 1) * w // 2].mean()
        for i in (0, 1)
        for j in (0, 1)
    ]
    assert min(quarters) == quarters[1]


def test_a_share_of_photos_is_turned_far() -> None:
    def turns(steep_p: float) -> np.ndarray:
        augment = Geometric(rotate=0, steep_p=steep_p, shear=0, perspective=0, stretch=0)
        rng = np.random.default_rng(0)
        drawn = [augment._draw(np.array([[40.0, 14, 60, 46]]), 120, 60, rng)[0] for _ in range(400)]
        return np.degrees([np.arctan2(matrix[1, 0], matrix[0, 0]) for matrix in drawn])

    assert np.allclose(turns(0), 0)
    far = np.abs(turns(0.5)) > 20
    assert 0.2 < far.mean() < 0.36  # 25 of 45 degrees, of half of the photos
    assert np.abs(turns(1)).max() <= 45.001


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 90),
    corners=st.lists(st.tuples(*[st.floats(-0.2, 1.2)] * 4), max_size=5),
    seed=st.integers(0, 2**31),
)
def test_contract_holds_for_any_photo(width, height, corners, seed):
    torch.manual_seed(seed)
    scale = torch.tensor([width, height] * 2)
    boxes = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4) * scale
    boxes = torch.cat([boxes[:, :2].minimum(boxes[:, 2:]), boxes[:, :2].maximum(boxes[:, 2:])], 1)
    image, target = make([], height, width)
    before = {**target, "boxes": boxes.clone(), "labels": torch.arange(1, len(boxes) + 1)}
    image_before = image.clone()
    after_image, after = from_yaml("geometric")(image, before)
    check_contract(after_image, after)
    assert max(after_image.shape) <= 384
    assert torch.equal(image, image_before) and torch.equal(before["boxes"], boxes)


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("size", [(1, 40), (1, 1), (40, 1), (47, 104)])
@pytest.mark.parametrize("empty", [True, False])
def test_yaml_runs(name, size, empty):
    height, width = size
    image, target = from_yaml(name)(*make([] if empty else [(0, 0, width, height)], *size))
    check_contract(image, target)
    assert len(target["labels"]) == (0 if empty else 1)


@pytest.mark.parametrize("name", ["none", "color_jitter"])
def test_colour_alone_keeps_boxes(name):
    image, target = make([(40, 14, 60, 46)])
    after, same = from_yaml(name)(image, target)
    assert torch.equal(target["boxes"], same["boxes"]) and after.shape == image.shape
    assert torch.equal(after, image) == (name == "none")


def test_yaml_states_the_defaults():
    plain = OmegaConf.to_container(OmegaConf.load(CONF / "geometric.yaml"))
    assert from_yaml("geometric") == Geometric(photometric=Photometric())
    assert {**plain, **plain["photometric"]}.keys() - {"_target_", "_convert_"} == (
        vars(Geometric()).keys() | vars(Photometric()).keys()
    )


def test_upright_keeps_a_level_row_level():
    image, target = make([(20, 14, 40, 46), (42, 14, 60, 46), (60, 14, 75, 46)])
    spread = {"geometric": [], "upright": []}
    for name, tops in spread.items():
        augment = from_yaml(name)
        for seed in range(10):
            torch.manual_seed(seed)
            boxes = augment(image.clone(), dict(target))[1]["boxes"]
            tops.append(float(boxes[:, 1].max() - boxes[:, 1].min()))
    assert max(spread["upright"]) < 1e-3 < min(spread["geometric"])


@pytest.mark.parametrize("name", ["color_jitter", "geometric"])
def test_torch_seed_repeats(name):
    augment, results = from_yaml(name), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        results.append(augment(*make([(40, 14, 60, 46)])))
    (a, ta), (b, tb), (c, _) = results
    assert torch.equal(a, b) and torch.equal(ta["boxes"], tb["boxes"])
    assert a.shape != c.shape or not torch.equal(a, c)


def test_digits_never_lost_and_labels_aligned():
    """Boxes that touch every edge: the hardest case; widths tell the digits apart."""
    boxes = [(0, 0, 20, 60), (20, 0, 60, 60), (60, 0, 120, 60)]
    for seed in range(60):
        torch.manual_seed(seed)
        _, target = Geometric()(*make(boxes, labels=[10, 1, 5]))
        assert target["labels"].tolist() == [10, 1, 5]
        widths = target["boxes"][:, 2] - target["boxes"][:, 0]
        assert target["boxes"][:, 0].diff().min() > 0 and widths.diff().min() > 0


def test_boxes_outside_go_with_their_labels():
    image, target = make([(40, 14, 60, 46)], labels=[3])
    target["boxes"] = torch.tensor([[-50.0, 0, -9, 20], [40, 14, 60, 46], [5, 5, 5, 30]])
    target["labels"] = torch.tensor([1, 3, 2])
    _, target = Geometric()(image, target)
    assert target["labels"].tolist() == [3]


def test_digits_get_smaller():
    image, target = make([(40, 10, 60, 50)])
    torch.manual_seed(0)
    share = []
    for _ in range(300):
        moved, after = Geometric(zoom_out=0.3, zoom_out_p=0.6)(image, target)
        share.append(float(after["boxes"][0, 3] - after["boxes"][0, 1]) / moved.shape[1])
    low, middle = np.quantile(share, [0.05, 0.5])
    assert low < 0.3 and middle < 0.55 and max(share) < 0.95


def test_surroundings_hold_no_second_digit():
    image, target = make([(40, 14, 60, 46)])
    rng = np.random.default_rng(0)
    photo = image.permute(1, 2, 0).numpy()
    wide = extend(photo, target["boxes"].numpy(), np.array([90, 70, 80, 60]), rng)
    assert wide.shape == (190, 290, 3)
    np.testing.assert_array_equal(wide[70:130, 90:210], photo)
    wide = wide.astype(int)
    wide[70:130, 90:210] = 90
    assert (wide[..., 0] - wide[..., 1]).max() < 60


def test_impossible_geometry_leaves_the_photo():
    image, target = make([(40, 14, 60, 46)])
    moved, after = Geometric(max_lost=-1)(image, target)
    assert torch.equal(moved, image) and torch.equal(after["boxes"], target["boxes"])


@pytest.mark.parametrize("part", ["blur", "motion", "low_res", "noise", "jpeg", "light"])
def test_each_photometric_part_works(part):
    still = dict.fromkeys(("brightness", "contrast", "saturation", "hue", "cast", "gamma"), 0.0)
    still |= {f"{name}_p": 0.0 for name in ("gray", "invert", "light", "blur", "motion", "low_res")}
    still |= {"noise_p": 0.0, "jpeg_p": 0.0}
    image, target = make([(40, 14, 60, 46)])
    same, _ = Photometric(**still)(image, target)
    assert (same.int() - image.int()).abs().max() <= 1
    torch.manual_seed(0)
    augment = Photometric(**{**still, f"{part}_p": 1.0})
    changed, after = zip(*(augment(image, target) for _ in range(5)), strict=True)
    gap = (torch.stack(changed).int() - image.int()).abs().float().mean()
    assert 0 < gap < 40 and torch.equal(after[0]["boxes"], target["boxes"])


def test_negative_swaps_light_and_dark():
    image, target = make([(40, 14, 60, 46)])
    image[:, 14:46, 40:60] = 20
    torch.manual_seed(0)
    plain = {"light_p": 0.0, "blur_p": 0.0, "motion_p": 0.0, "low_res_p": 0.0, "noise_p": 0.0}
    negative, _ = Photometric(invert_p=1.0, **plain)(image, target)
    assert negative[:, 30, 50].float().mean() > negative[:, 5, 5].float().mean()
