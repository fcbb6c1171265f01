"""Training: LightningModules, schedules, callbacks, and the end of a run."""
