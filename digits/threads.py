"""Import this before torch: it makes OpenMP's waiting threads sleep instead of spin.

Where loading processes share the cores with torch's threads, every parallel region waits for a
thread that is not running while the others burn its time: on two cores a training step took 268 ms
per photo spinning and 64 ms sleeping (docs/experiments.md). OpenMP reads the variable when torch
loads it.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
