"""The page "Tablero" inside Airflow: every month and day at a glance. Server-rendered.

It asks ``outbox.reports`` and Airflow's API. Never here: SQL, or a decision about delivery.
"""
