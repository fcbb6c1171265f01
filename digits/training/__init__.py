"""Training: the LightningModule, schedules, callbacks, and the end of a run."""
