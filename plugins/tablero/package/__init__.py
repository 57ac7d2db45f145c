"""The package as Airflow sees it: the Airflow version it requires, its provider metadata, what it imports when Airflow starts,
and class names of earlier versions.

Never here: anything that a task runs.
"""
