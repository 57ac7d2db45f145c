"""The use cases: what a run plans, stages, sends and proves.

They join ``source``, ``outbox`` and ``dashboard``, which are handed to them, as are the clock and the settings.
Never here: SQL, HTTP, Airflow.
"""
