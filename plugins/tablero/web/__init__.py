"""The page "Tablero" inside Airflow: every month and day at a glance, rendered on the server.

It queries ``outbox.reports`` and Airflow's database. Never here: SQL on the outbox, or a decision about delivery.
"""
