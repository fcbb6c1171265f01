"""What every setting may be: one declaration per option group, checked before torch is imported."""
