"""What every setting may be: one declaration per group, of command lines and of checkpoints."""
