"""Figures: mAP of boxes, accuracy of numbers, what confidences are worth, and their pictures."""
