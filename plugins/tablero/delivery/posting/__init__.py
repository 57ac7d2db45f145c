"""Posting what is pending. ``pump`` keeps the calls in flight; what it needs stands beside it:

``supply`` (batches just staged) and ``backlog`` (what was pending before); ``leased_client`` (one call, only under a lease) and
``calls`` (those in flight, each in a thread); ``recorder`` (answers into the outbox); ``throttle``; ``rules`` (what an answer
means for the pass); ``search`` (where to split a refused batch), ``searched_batches``, which carries that out on the
outbox, and ``single_rows`` (rows that were found). ``rules`` and ``search`` are decisions over plain values.
Never here: which windows, and what a task says in the end; that is ``delivery.sending``.
"""
