"""The overhead of Airflow itself: a DAG with the structure of ``historical_load`` whose tasks do nothing."""

from __future__ import annotations

from airflow.sdk import dag, task

MONTHS = 83
PARALLEL = 2


@dag(schedule=None, max_active_runs=1)
def empty_mapped() -> None:
    @task
    def first() -> None:
        pass

    @task
    def plan() -> list[int]:
        return list(range(MONTHS))

    @task(max_active_tis_per_dagrun=PARALLEL)
    def nothing(number: int) -> int:
        return number

    @task
    def last(done: list[int]) -> None:
        pass

    planned = plan()
    first() >> planned
    last(nothing.expand(number=planned))


empty_mapped()
