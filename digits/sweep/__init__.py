"""Sweeps: folders and devices of the jobs, and the table that compares them."""
