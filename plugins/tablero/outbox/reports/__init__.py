"""Queries of the page, the command line and the digest, one module per subject.

They only read, and none scans a large table. Never here: a statement that writes, or a sentence for the reader.
"""
