"""A web page that reads the numbers in photos dropped on it: python -m digits.serve."""
