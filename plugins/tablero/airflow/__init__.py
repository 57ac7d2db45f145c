"""All that Airflow calls or is asked: tasks, configuration, callbacks and alerts, retries, timetable, metrics, lineage.

Wiring: a function here gets objects out of Airflow, calls one use case of ``delivery`` and says what came of it.
Never here: SQL, HTTP, or a decision about a row.
"""
