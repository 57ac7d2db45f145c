"""The other side: one POST of one batch through X-Road, and what its answer means.

Never here: what to do next about an answer; that is decided in ``delivery``.
"""
