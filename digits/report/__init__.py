"""Learning curves, and report.html for a run, a prediction, a fusion or a sweep."""
