"""Batches on their way to the dashboard: claimed under a lease, posted, their answers recorded.

A claim and the record of its attempt are committed together, before the POST; the outcome is committed after it. A worker that
dies in between leaves an attempt without an outcome, which the next claim of that batch records as *unknown*.

Leases, and the order of events that decides whether a single row is refused, use one clock: the server's on PostgreSQL, this
machine's where the outbox is an SQLite file. ``now`` is only ever given by tests.
"""
