"""The dashboard's side: one POST of one batch, directly or through X-Road, and what its answer means.

Never here: what to do about an answer; that is decided in ``delivery``.
"""
