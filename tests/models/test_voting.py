"""Box voting: who has a say, and that nothing but the boxes changes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from digits.data.synthetic import SyntheticDigits
from digits.models.boxes import overlaps
from digits.models.detector import build_detector
from digits.models.small import small_fpn
from digits.models.suppression import vote


def voted(*boxes: tuple[list[float], float]) -> list[float]:
    """Where the first of several boxes goes; each has a probability of the digit."""
    corners = torch.tensor([box for box, _ in boxes])[None]
    chances = torch.tensor([chance for _, chance in boxes])[None]
    moved = vote(corners, chances, overlaps(corners, corners), 0.5)
    return [round(value, 3) for value in moved[0, 0].tolist()]


def test_a_box_is_the_mean_of_those_there_weighed_by_how_sure_they_are_of_its_digit() -> None:
    own = ([10.0, 10, 20, 30], 0.6)
    assert voted(own) == [10, 10, 20, 30]
    assert voted(own, ([12.0, 10, 22, 30], 0.6)) == [11, 10, 21, 30]
    assert voted(own, ([12.0, 10, 22, 30], 0.2)) == [10.5, 10, 20.5, 30]
    assert voted(own, ([12.0, 10, 22, 30], 0.0)) == [10, 10, 20, 30]  # sees another digit
    assert voted(own, ([19.0, 10, 29, 30], 0.9)) == [10, 10, 20, 30]  # the next digit


corner = st.tuples(st.floats(0, 90), st.floats(0, 90), st.floats(1, 40), st.floats(1, 40))


@given(st.lists(st.tuples(corner, st.floats(0, 1)), min_size=1, max_size=12))
def test_no_box_leaves_the_hull_of_the_candidates(found: list[tuple[tuple, float]]) -> None:
    boxes = torch.tensor([[x, y, x + w, y + h] for (x, y, w, h), _ in found])
    chances = torch.tensor([[chance for _, chance in found]])
    (moved,) = vote(boxes[None], chances, overlaps(boxes, boxes)[None], 0.5)
    assert (moved[:, :2] >= boxes[:, :2].amin(0) - 1e-3).all()
    assert (moved[:, 2:] <= boxes[:, 2:].amax(0) + 1e-3).all()
    assert (moved[:, 2:] > moved[:, :2]).all()


@pytest.mark.parametrize("shared_box", [True, False])
def test_a_detector_that_votes_finds_the_same_digits_in_other_boxes(shared_box: bool) -> None:
    photos = [SyntheticDigits(4)[index][0] for index in range(4)]
    results = []
    for voting in (None, 0.6):
        torch.manual_seed(0)
        backbone = small_fpn(widths=(8, 8, 16, 16), blocks=(1, 1, 1), out_channels=16)
        model = build_detector(
            backbone, min_size=64, anchor_heights="auto", shared_box=shared_box, box_voting=voting,
            rpn_post_nms_top_n_test=50,
        )  # fmt: skip
        with torch.inference_mode():
            results.append(model.eval()(photos))
    for photo, plain, moved in zip(photos, *results, strict=True):
        assert torch.equal(plain["scores"], moved["scores"])
        assert torch.equal(plain["labels"], moved["labels"])
        assert not torch.equal(plain["boxes"], moved["boxes"])
        height, width = photo.shape[1:]
        limits = torch.tensor([width, height, width, height]) + 1e-3
        assert (moved["boxes"] >= 0).all() and (moved["boxes"] <= limits).all()
    empty = model([torch.zeros(3, 64, 64, dtype=torch.uint8)])[0]
    assert empty["boxes"].shape[1:] == (4,)
