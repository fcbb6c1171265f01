import made
import pytest
import torch

from digits.data.distant import Distant
from digits.data.synthetic import SyntheticDigits
from digits.errors import DigitsError


def test_photos_stay_whole_and_their_digits_get_small() -> None:
    near = SyntheticDigits(30)
    far = Distant(near, share=(0.3, 0.5))
    changed = 0
    for index in range(len(near)):
        (photo, target), (wide, moved) = near[index], far[index]
        shift = moved["boxes"] - target["boxes"]
        x, y = shift[0, :2].round().int().tolist()
        assert torch.allclose(shift, torch.tensor([x, y, x, y]).float())
        assert torch.equal(wide[:, y : y + photo.shape[1], x : x + photo.shape[2]], photo)
        assert torch.equal(moved["labels"], target["labels"])
        heights = (moved["boxes"][:, 3] - moved["boxes"][:, 1]).numpy()
        share = sorted(heights)[len(heights) // 2] / wide.shape[1]
        assert share < 0.52 or wide.shape == photo.shape
        assert wide.shape == photo.shape or share > 0.25
        changed += wide.shape != photo.shape
    assert changed > 20


def test_a_photo_depends_on_its_id_and_the_seed_alone() -> None:
    near = SyntheticDigits(5)
    once, again, other = Distant(near), Distant(near), Distant(near, seed=1)
    assert torch.equal(once[3][0], again[3][0])
    assert once[3][0].shape != other[3][0].shape


def test_a_photo_that_would_fill_the_memory_is_refused() -> None:
    data = SyntheticDigits(1, seed=2)
    for share in (1e-6, 1e-13):
        with pytest.raises(
            DigitsError, match=f"^share {share}: image_id .* expected a larger share"
        ):
            Distant(data, (share, share))[0]


def test_photos_without_digits_stay_as_they_are() -> None:
    class Empty(SyntheticDigits):
        def __getitem__(self, index: int):
            photo, target = super().__getitem__(index)
            return photo, made.target(image_id=target["image_id"])

    near = Empty(1)
    assert torch.equal(Distant(near)[0][0], near[0][0])


@pytest.mark.parametrize("share", [(0, 0.5), (0.5, 0.3), (0.3, 1)])
def test_a_wrong_share_is_refused(share: tuple[float, float]) -> None:
    with pytest.raises(DigitsError, match="0 < share < 1"):
        Distant(SyntheticDigits(1), share)
