"""Posting what is pending. ``pump`` keeps the calls in flight; what it needs stands beside it:

``supply`` (fresh batches) and ``backlog`` (what was pending before), ``poster`` and ``calls`` (one call, in a thread),
``recorder`` (answers into the outbox), ``throttle``, ``rules`` (what an answer means for the pass), ``search`` (which rows are
refused) and ``cases``, which carries the search out on the outbox. ``rules`` and ``search`` are decisions over plain values.
Never here: which windows, and what a task says in the end; that is ``delivery.sending``.
"""
