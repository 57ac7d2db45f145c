"""The page "Tablero" inside Airflow: every month and day at a glance, rendered on the server.

A page has up to three modules of one name: its route in ``routes/``, its logic here, its queries in ``outbox.reports``.

It queries ``outbox.reports`` and Airflow's database. Never here: SQL on the outbox, or a decision about delivery.
"""
