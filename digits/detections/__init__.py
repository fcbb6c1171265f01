"""detections.json, the file that the stages exchange."""

from digits.detections.reading import read_detections
from digits.detections.writing import DetectionsWriter, write_detections

__all__ = ["DetectionsWriter", "read_detections", "write_detections"]
