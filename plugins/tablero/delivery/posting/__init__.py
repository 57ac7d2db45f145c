"""Posting what is pending: the loop with its threads and leases (``pump``), what an answer means (``rules``), and the search.

``search`` and ``rules`` are small state machines over plain values; ``cases`` applies the search to the outbox. Never here:
which windows to post, or what a task reports in the end; that is ``delivery.sending``.
"""
