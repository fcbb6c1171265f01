"""Rows of digits to texts: the second reader, beside the detector.

A photo's detections give a few rows that may be its number (`rows`); each is cut out, levelled
(`crops`) and read as a line of text by a network (`network`) that CTC decodes (`ctc`).
"""
