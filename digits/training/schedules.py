"""Learning rate schedules: pure functions from progress to a factor on the base rate.

Progress is the share of the training budget that is spent, in [0, 1]: of the steps or of the
wall-clock time, whichever is further, so that `trainer.max_time` anneals as well as
`trainer.max_epochs`. All take `(progress, epoch)`.
"""

import math


def constant(progress: float, epoch: int) -> float:
    """No schedule: always 1."""
    return 1.0


def step(progress: float, epoch: int, every: int = 2, gamma: float = 0.5) -> float:
    """Multiply by `gamma` every `every` epochs, as `torch.optim.lr_scheduler.StepLR`."""
    return gamma ** (epoch // every)


def cosine(
    progress: float, epoch: int, warmup: float = 0.03, start: float = 0.01, final: float = 0.01
) -> float:
    """Rise linearly from `start` to 1 over the share `warmup`, fall by half a cosine to `final`.

    Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    """
    if progress < warmup:
        return start + (1 - start) * progress / warmup
    done = min(1.0, (progress - warmup) / (1 - warmup))
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def onecycle(
    progress: float, epoch: int, rise: float = 0.3, start: float = 0.04, final: float = 4e-6
) -> float:
    """Rise by half a cosine from `start` to 1 over the share `rise`, fall by one to `final`.

    Smith and Topin 2018, arXiv 1708.07120; defaults as `torch.optim.lr_scheduler.OneCycleLR`.
    """
    if progress < rise:
        return start + (1 - start) * (1 - math.cos(math.pi * progress / rise)) / 2
    done = min(1.0, (progress - rise) / (1 - rise))
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2
