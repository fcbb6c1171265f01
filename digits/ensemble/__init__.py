"""Fuse the detections of several members, where that scores better on valid."""

from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion

__all__ = ["Fuser", "Fusion"]
