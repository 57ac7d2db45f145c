"""Tablero from a shell: what a person, a cron job or a monitor asks without Airflow's web server.

A module for each kind of command, with Airflow's environment and nothing of it that has to run. Never here: SQL, or a rule.
"""
