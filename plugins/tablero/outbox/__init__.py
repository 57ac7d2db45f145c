"""The durable store: every batch of status changes, every attempt to post it, its outcome, and the proofs of completeness.

All SQL and all transactions of the outbox, on SQLite and on PostgreSQL. Never here: a decision about when or whether to post.
"""
