"""How many operations of torch a photo takes: a figure as steady as a time is not.

On a GPU each is a launch of some microseconds, whatever the size of its work.
"""

from collections.abc import Callable
from typing import Any

from torch.profiler import ProfilerActivity, profile

_OPERATORS = ("aten::", "torchvision::")


def operations(work: Callable[[], Any]) -> int:
    """Operations that a work runs, those inside of others too, once its caches are filled.

    Args:
        work: on the CPU.
    """
    work()
    with profile(activities=[ProfilerActivity.CPU]) as run:
        work()
    return sum(event.name.startswith(_OPERATORS) for event in run.events())
