"""What frames say of strings: exact log-probabilities, and the most probable strings.

Frames are log-probabilities `(T, 11)` of one crop: class 0 is the blank, class 1..10 the label
(digit + 1). A string is written as its digits, "305".
"""

import math
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

_NEVER = -1e4  # log-probability of a string that the frames are too few for


def to_labels(text: str) -> list[int]:
    """The labels (digit + 1) of a string of digits."""
    return [int(digit) + 1 for digit in text]


def log_probabilities(frames: Tensor, texts: Sequence[str]) -> Tensor:
    """Exact log-probability of each string, over all alignments with the frames.

    Args:
        frames: `(T, 11)` of one crop for all strings, or `(N, T, 11)`, a crop for each string.
        texts: N strings of digits; the empty one too.

    Returns:
        float64 `(N,)`, on the CPU; -10,000 for a string that does not fit into T frames.
    """
    if not texts:
        return torch.zeros(0, dtype=torch.float64)
    frames = frames.detach().double().cpu()
    if frames.ndim == 2:
        frames = frames.expand(len(texts), *frames.shape)
    labels = [to_labels(text) for text in texts]
    targets = torch.tensor([label for one in labels for label in one], dtype=torch.long)
    lengths = torch.tensor([len(one) for one in labels])
    durations = torch.full((len(texts),), frames.shape[1])
    loss = ctc_loss(frames.transpose(0, 1), targets, durations, lengths, reduction="none")
    return (-loss).nan_to_num(neginf=_NEVER)


def best_texts(
    frames: Tensor, width: int = 8, count: int = 5, least: float = 1e-4
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
    for frame in frames.detach().double().cpu().tolist():
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
