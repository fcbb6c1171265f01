"""The hub that timm downloads weights from, where it cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 10.0  # for an answer of any kind


@contextmanager
def asked_once() -> Iterator[None]:
    """Within the block, where the hub does not answer, weights come from its cache or not at all.

    It would be asked a dozen times, with longer and longer waits, for most of a minute.
    """
    import requests
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not before:
        try:
            requests.head(constants.ENDPOINT, timeout=_SECONDS)
        except requests.RequestException:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
