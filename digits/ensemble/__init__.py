"""Several members' detections fused; used only where valid says that they are better together."""

from digits.ensemble.fuser import Fuser
from digits.ensemble.fusion import Fusion

__all__ = ["Fuser", "Fusion"]
