"""What frames say of strings: exact log-probabilities, and the most probable strings; numpy only.

Frames are log-probabilities `(T, 11)` of one crop: class 0 is the blank, class 1..10 the label
(digit + 1). A string is written as its digits, "305".
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

_IMPOSSIBLE = -1e4  # log-probability of a string that the frames are too few for
_MIN_PROBABILITY = 1e-300  # of a probability


def to_labels(text: str) -> list[int]:
    """The labels (digit + 1) of a string of digits."""
    return [int(digit) + 1 for digit in text]


def log_probabilities(frames: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Exact log-probability of each string, over all alignments with the frames.

    The forward pass of CTC (Graves et al. 2006, sec. 4.1), all strings at once.

    Args:
        frames: `(T, 11)` of one crop for all strings, or `(N, T, 11)`, a crop for each string.
        texts: N strings of digits; the empty one too.

    Returns:
        float64 `(N,)`; -10,000 for a string that does not fit into T frames.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    ends = 2 * lengths  # the last of a string's states: a blank, a digit, a blank, ...
    states = np.zeros((len(texts), 2 * lengths.max(initial=0) + 1), dtype=np.int64)
    for row, text in zip(states, texts, strict=True):
        row[1 : 2 * len(text) : 2] = to_labels(text)
    skips = np.zeros(states.shape)  # from a digit to another one, without a blank between
    skips[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    chances = np.exp(np.asarray(frames, dtype=np.float64))
    if chances.ndim == 2:
        emitted = chances[:, states].transpose(1, 0, 2)
    else:
        emitted = np.take_along_axis(chances, states[:, None], 2)
    emitted = np.where((np.arange(states.shape[1]) <= ends[:, None])[:, None], emitted, 0)
    reached = np.zeros((len(texts), states.shape[1] + 2))  # with two states before the first
    reached[:, 2:4] = emitted[:, 0, :2]
    total = np.zeros(len(texts))
    for now in emitted.transpose(1, 0, 2)[1:]:
        reached[:, 2:] += reached[:, 1:-1] + reached[:, :-2] * skips
        reached[:, 2:] *= now
        scale = np.maximum(reached.sum(1), _MIN_PROBABILITY)
        reached /= scale[:, None]
        total += np.log(scale)
    rows = np.arange(len(texts))
    last = reached[rows, ends + 2] + np.where(lengths > 0, reached[rows, ends + 1], 0)
    fits = last > 0
    return np.where(fits, total + np.log(np.where(fits, last, 1)), _IMPOSSIBLE)


def best_texts(
    frames: np.ndarray, width: int = 8, count: int = 5, least: float = 1e-4
) -> list[tuple[str, float]]:
    """The most probable strings, by prefix beam search (Hannun et al. 2014, arXiv 1408.2873).

    Args:
        frames: `(T, 11)`.
        width: prefixes kept after each frame.
        count: strings returned.
        least: classes less probable in a frame are not tried there.

    Returns:
        Strings and their exact log-probabilities, the most probable first.
    """
    # Of each prefix: log-probability of the alignments that end in a blank, and in its last digit.
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for frame in np.asarray(frames, dtype=np.float64).tolist():
        likely = [c for c, value in enumerate(frame) if value >= math.log(max(least, 1e-300))]
        grown: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [-math.inf, -math.inf])
        for prefix, (blank, digit) in beam.items():
            either = _add(blank, digit)
            for label in likely:
                value = frame[label]
                if label == 0:
                    grown[prefix][0] = _add(grown[prefix][0], either + value)
                    continue
                last = bool(prefix) and prefix[-1] == label
                if last:  # without a blank between, the same digit goes on
                    grown[prefix][1] = _add(grown[prefix][1], digit + value)
                longer = grown[(*prefix, label)]
                longer[1] = _add(longer[1], (blank if last else either) + value)
        best = sorted(grown.items(), key=lambda item: (-_add(*item[1]), item[0]))
        beam = {prefix: (ends[0], ends[1]) for prefix, ends in best[:width]}
    texts = ["".join(str(label - 1) for label in prefix) for prefix in beam]
    exact = log_probabilities(frames, texts).tolist()
    return sorted(zip(texts, exact, strict=True), key=lambda item: (-item[1], item[0]))[:count]


def _add(first: float, second: float) -> float:
    """log(exp(first) + exp(second))."""
    high, low = max(first, second), min(first, second)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
