"""Sweeps: the directories and devices of their jobs, and the table that compares them."""
