"""Detections become a number: rules, a calibrated reader, and their comparison.

A reader takes one photo's detections (`digits.structures`) and returns a `Reading`: the number,
the boxes it is made of, how sure it is, and the second-best number.
"""

from digits.reading.base import Reader
from digits.types import Reading
from digits.reading.calibrated import CalibratedReader
from digits.reading.rules import CascadeReader, ThresholdReader

__all__ = ["CalibratedReader", "CascadeReader", "Reader", "Reading", "ThresholdReader"]
