"""Airflow's connections: finding one, or saying why it cannot be used, and what it says about a database."""
