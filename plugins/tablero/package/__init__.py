"""The package as Airflow finds it: which Airflow it needs, what it says of itself, and the names that earlier versions had."""
