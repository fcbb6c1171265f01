"""A web page that reads the numbers of photos that are dropped on it: python -m digits.serve."""
