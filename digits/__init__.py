"""Finds the digits in photographs and reads them as one number."""
