"""Finds the digits in photographs and reads them as one number."""

import os

# OpenMP's waiting threads sleep instead of spinning; it reads this when torch loads it. Where
# loading processes share the cores with torch's threads, every parallel region waits for a thread
# that is not running while the others burn its time: on two cores a training step took 268 ms per
# photo spinning and 64 ms sleeping (docs/decisions.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
