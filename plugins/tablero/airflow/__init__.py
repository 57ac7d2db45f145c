"""What Airflow calls: tasks, configuration, callbacks and alerts, retries, timetable, metrics, lineage.

Only wiring: a function here gets objects from Airflow, calls one use case of ``delivery`` and reports the result.
Never here: SQL, HTTP, or a decision about a row.
"""
