"""Several members' detections fused, tuned on valid, and used only where they help."""

from digits.fusion.base import Fusion
from digits.fusion.fuser import Fuser

__all__ = ["Fuser", "Fusion"]
