"""Backbones and the detector; torch only."""

from digits.models.quick_import import import_torchvision

import_torchvision()
