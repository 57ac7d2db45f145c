"""The institution's database: one view, read in windows, whatever server it lives on.

Never here: what happens to a row once it is read.
"""
