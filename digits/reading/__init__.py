"""Read the number from detections: by rules, or by a calibrated reader.

A reader takes one photo's detections and returns a `digits.types.Reading`: the number, the boxes
that it is made of, its confidence, and the second most probable number.
"""

from digits.reading.base import Reader
from digits.reading.calibrated import CalibratedReader
from digits.reading.rules import CascadeReader, ThresholdReader

__all__ = ["CalibratedReader", "CascadeReader", "Reader", "ThresholdReader"]
