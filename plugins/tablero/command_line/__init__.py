"""Tablero's command line: what a person, a cron job or a monitor asks without Airflow's web server.

One module per kind of command. Commands need Airflow's environment, but no running Airflow. Never here: SQL, or a rule.
"""
