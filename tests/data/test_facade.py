import numpy as np

from digits.data.synthetic.facade import furnish


def test_things_stand_around_the_number_and_never_over_it() -> None:
    unit, drawn = 16, 0
    number = np.s_[60:76, 100:124]
    keep = np.array([100, 60, 124, 76]) + unit * np.array([-0.2, -0.2, 0.2, 0.2])
    for seed in range(200):
        picture = np.full((140, 240, 3), 0.4, np.float32)
        furnish(np.random.default_rng(seed), picture, keep, unit)
        assert (picture[number] == np.float32(0.4)).all(), seed
        assert picture.min() >= 0 and picture.max() <= 1
        drawn += (picture != np.float32(0.4)).any()
    assert drawn > 180


def test_a_close_up_has_few_of_them() -> None:
    drawn = 0
    for seed in range(200):
        picture = np.full((80, 150, 3), 0.4, np.float32)
        furnish(np.random.default_rng(seed), picture, np.array([40, 10, 110, 70]), 60)
        drawn += (picture != np.float32(0.4)).any()
    assert drawn < 60


def test_the_same_seed_draws_the_same() -> None:
    pictures = [np.full((140, 240, 3), 0.4, np.float32) for _ in range(2)]
    for picture in pictures:
        furnish(np.random.default_rng(3), picture, np.array([100, 60, 124, 76]), 16)
    assert np.array_equal(*pictures)
