"""Creates scheduled runs of ``daily_send`` for any day, as the scheduler does for the day that is due.

Reads a day per line from standard input and prints the id of its run, so that one test can play many nights.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta


def main() -> None:
    import pendulum
    from airflow.models.dagbag import DBDagBag
    from airflow.models.deadline import Deadline
    from airflow.timetables.base import TimeRestriction
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import delete

    for line in sys.stdin:
        day = date.fromisoformat(line.strip())
        with create_session() as session:
            dag = DBDagBag().get_latest_version_of_dag("daily_send", session=session)
            assert dag is not None
            noon = pendulum.datetime(day.year, day.month, day.day, 12, tz=dag.timetable.serialize()["zone"])
            before = dag.timetable.infer_manual_data_interval(run_after=noon - timedelta(hours=1))
            due = dag.timetable.next_dagrun_info(
                last_automated_data_interval=before, restriction=TimeRestriction(None, None, catchup=True)
            )
            assert due is not None
            run = dag.create_dagrun(
                run_id=dag.timetable.generate_run_id(
                    run_type=DagRunType.SCHEDULED, run_after=due.run_after, data_interval=due.data_interval
                ),
                logical_date=due.logical_date,
                data_interval=due.data_interval,
                run_after=due.run_after,
                run_type=DagRunType.SCHEDULED,
                triggered_by=DagRunTriggeredByType.TIMETABLE,
                state=DagRunState.QUEUED,
                session=session,
            )
            session.flush()
            # The deadline of that day is long past, and has tests of its own.
            session.execute(delete(Deadline).where(Deadline.dagrun_id == run.id))
            run_id = run.run_id
        sys.stdout.write(f"due {run_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
