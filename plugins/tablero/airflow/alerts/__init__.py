"""Alerts: what they say, the channels by which they are sent and the time for it, and a note for those sent while the outbox is
unavailable.

Never here: the decision whether to alert; that is in ``outbox.alerts.incidents`` and ``airflow.callbacks``.
"""
