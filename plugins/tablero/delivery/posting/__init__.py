"""Posting what is pending: threads and leases (``pump``), what an answer means for a pass (``rules``), and the one search.

``search`` and ``rules`` are small state machines over plain values; ``cases`` carries the search out on the outbox. Never here:
which windows, and what a task says in the end; that is ``delivery.sending``.
"""
