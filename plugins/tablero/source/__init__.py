"""The institution's database: one view, read in windows, on any supported server.

Never here: what happens to a row after it was read.
"""
