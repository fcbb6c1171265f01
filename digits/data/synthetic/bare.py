"""Synthetic photos of houses without a number, in which nothing should be read."""

import numpy as np

from digits.data.synthetic import camera
from digits.data.synthetic.dataset import SyntheticDigits
from digits.data.synthetic.facade import furnish
from digits.data.synthetic.layouts import draw_colours, draw_layout
from digits.data.synthetic.scenery import clutter
from digits.data.synthetic.walls import wall

_FRONTS = 0.5  # share of photos that show much of a house, with windows, doors and railings
_SIDES = (300, 900)  # of such photos, pixels


def render_bare(rng: np.random.Generator) -> np.ndarray:
    """Draw a photo without any digit: a bare wall framed as for a number, or a house's front.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    layout = draw_layout(rng)
    height, width, unit = layout.height, layout.width, float(np.clip(layout.box_height, 16, 32))
    front = rng.random() < _FRONTS
    if front:
        height, width = (int(side) for side in rng.integers(*_SIDES, 2))
        unit = float(rng.uniform(0.05, 0.15) * height)
    picture = wall(rng, height, width, unit, draw_colours(rng)[2])
    if front:
        middle = rng.uniform(0.2, 0.8, 2) * (width, height)
        keep = np.tile(middle, 2)  # a point: nothing is kept free
        picture = clutter(rng, picture, keep, unit)
        furnish(rng, picture, keep, unit)
    picture = camera.blur(rng, camera.light(rng, picture), min(unit, 32))
    return camera.compress(rng, camera.expose(rng, camera.sensor(rng, picture)))


class BareHouses(SyntheticDigits):
    """Photos without a number, drawn on demand; photo i depends on `(seed, i)` alone."""

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A photo uint8 (H, W, 3) RGB, and neither boxes nor labels."""
        return render_bare(rng), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)

    def size(self, index: int) -> tuple[int, int]:
        """`(height, width)` in pixels; draws the photo."""
        height, width = self[index][0].shape[1:]
        return height, width
