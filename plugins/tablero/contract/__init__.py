"""What a status change is: its fields, statuses and rules, its wire form, its place in time, its order.

Pure functions of plain values. Never here: a database, a network, a clock, Airflow.
"""
