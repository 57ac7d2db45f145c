"""The use cases: planning, staging, sending, loading, reconciling, adopting, preflight and dry run.

They combine ``source``, ``outbox`` and ``dashboard``, which are passed in, as are the clock and the settings.
Never here: SQL, HTTP, Airflow.
"""
