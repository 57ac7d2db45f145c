"""The page "Tablero" inside Airflow: every month and day at a glance.

Server-rendered; a module imports only from lower steps of the same staircase, and the files of pages also from one another:

==  =====================================================================================================
7   ``app``              the FastAPI application: its routes, its guards, its error pages
6   ``routes_*``         one file for each page
5   ``page``             what every page needs: language, settings, the outbox, templates, headers
4   ``airflow_runs``     Airflow's runs of our two DAGs: which are at work, and starting one
3   ``access``           who may see and do what, as Airflow says
2   ``formats``          numbers and instants as people read them · ``evidence`` the document of a month
1   ``language``         Spanish and English · ``coverage`` the state of days and months · ``progress`` the
    pace of a run · ``charts`` geometry of figures · ``spreadsheet`` CSV that is safe to open · ``reruns``
    which runs bring a mended row in
==  =====================================================================================================
"""
