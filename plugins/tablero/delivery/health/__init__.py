"""Degradation and digest: is a run that delivered everything also as usual, and how did a day, week or month go?

Pure rules over counts, and the queries that supply the counts. Never here: sending a message, or a row.
"""
