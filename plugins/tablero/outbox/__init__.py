"""The durable store: every batch of status changes, every attempt to post it, its outcome, and the proofs.

SQL and transactions live here, on SQLite and PostgreSQL alike. Never here: a decision about when or whether to post.
"""
