"""The two commands: the only modules that see the Hydra configuration."""
