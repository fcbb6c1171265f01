"""What people look at: learning curves, and a page for a run, a prediction, a fusion, a sweep."""
