"""What a detector finds in photos, and where it looks a second time; numpy only."""
