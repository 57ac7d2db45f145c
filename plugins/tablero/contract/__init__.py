"""The contract: fields, statuses and rules of a status change, its wire form, windows, instants and order.

Pure functions of plain values. Never here: a database, a network, a clock, Airflow.
"""
