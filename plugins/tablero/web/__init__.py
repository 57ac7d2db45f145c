"""The page "Tablero" inside Airflow: every month and day at a glance.

Server-rendered; a module imports only from lower steps of the same staircase:

==  =====================================================================================================
6   ``app``              the FastAPI application: its routes, its guards, its error pages
5   ``routes_*``         one file for each page
4   ``page``             what every page needs: language, settings, the outbox, templates, headers
3   ``access``           who may see and do what, as Airflow says · ``airflow_runs`` Airflow's runs
2   ``formats``          numbers and instants as people read them · ``evidence`` the document of a month
1   ``language``         Spanish and English · ``coverage`` the state of days and months · ``charts`` geometry
    of figures · ``spreadsheet`` CSV that is safe to open · ``reruns`` which runs bring a mended row in
==  =====================================================================================================
"""
