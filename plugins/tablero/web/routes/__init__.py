"""One module per page: its queries, and the template that renders them.

Never here: SQL, or a judgement; those are in ``outbox.reports`` and in the modules of ``web``.
"""
