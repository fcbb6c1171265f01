"""Speed and memory as ratios, measured in one process and in turn; `python -m benchmarks`."""
