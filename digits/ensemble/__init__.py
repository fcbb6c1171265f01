"""Several members' detections fused, tuned on valid, and used only where they help."""

from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion

__all__ = ["Fuser", "Fusion"]
