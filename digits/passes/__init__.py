"""Detections of several passes, and where the second pass looks; numpy only."""
