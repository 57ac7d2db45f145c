"""The state of every day and every month, derived from the counts of the outbox.

A month can have been read as a month, by ``historical_load``, day by day, by ``daily_send``, or both. So each day is judged by
itself, from the newest reading and the newest proof that concern it, and the state of a month follows from those of its days.

A state says whether a person is needed. A few rejected rows are normal, and their window is settled; only a large share, by the
setting ``alert_rejected_percent``, is a state of its own, for a day and for a month, each by its own rows.
"""
