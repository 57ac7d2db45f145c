"""Whether all is well although everything went through: what is not as usual, and the digest that says how it goes.

Pure rules over counts, and the questions that bring them. Never here: how it is told, or a row.
"""
