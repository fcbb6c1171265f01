"""Metrics and plots: mAP of boxes, accuracy of numbers, calibration of confidences."""
