"""Synthetic photos of house numbers that look like SVHN's: free, endless, exactly labelled.

`python -m digits.data.synthetic OUT --count 10000` writes a data set in the course's layout.
"""

from digits.data.synthetic.dataset import SyntheticDigits, open_split, write

__all__ = ["SyntheticDigits", "open_split", "write"]
