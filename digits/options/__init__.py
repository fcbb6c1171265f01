"""Declarations of all settings, by group: types and ranges, for command lines and checkpoints."""
