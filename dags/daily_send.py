"""
# Envío diario / Daily send

**Qué hace.** Cada día envía al Tablero de Monitoreo todos los cambios de estado del día civil anterior. Una corrida programada
relee además los últimos días (cambios confirmados tarde) y repara por sí sola los días que quedaron sin leer o sin enviar.

- **Una tarea está en rojo:** la última línea de su registro (log) dice qué hacer. Después límpiela con sus tareas posteriores
  (Clear, *Downstream*): solo se envía lo que falta.
- **Enviar un día determinado:** lance el DAG con `day`. **Varios días:** Backfill.

**What it does.** Every day it sends all status changes of the previous civil day to the dashboard. A scheduled run also reads
the last days again (late commits), and heals by itself days that were left unread or unsent.

- **A task is red:** the last line of its log says what to do. Then clear it with its downstream tasks: only what is missing is
  sent.
- **Send a certain day:** trigger with `day`. **Several days:** Backfill.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
import tablero.package.supported  # noqa: F401 before what an older Airflow does not have
from airflow.sdk import Param, TriggerRule, dag, task
from tablero.airflow.callbacks import dag_arguments, task_arguments
from tablero.airflow.configuration import read_settings, retry_arguments
from tablero.airflow.metrics import SETTLED
from tablero.airflow.pausing import pausable_task
from tablero.airflow.timetable import CivilDayTimetable

SETTINGS = read_settings()

PARAMS = {
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Día / Day",
        description="AAAA-MM-DD; vacío: el día de la corrida / YYYY-MM-DD; empty: the run's own day.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Solo ensayo / Dry run",
        description="Lee y valida; no escribe ni envía nada / Reads and validates; writes and sends nothing.",
    ),
    "resend": Param(
        False,
        type="boolean",
        title="Enviar de nuevo / Send again",
        description="Envía otra vez lo ya entregado del día; solo si el tablero lo pide / Posts delivered rows of the day"
        " again; only if the dashboard asks for it.",
    ),
}


@dag(
    dag_id="daily_send",
    dag_display_name="Envío diario",
    schedule=CivilDayTimetable(SETTINGS.daily_at, SETTINGS.timezone.name),
    start_date=pendulum.datetime(2020, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    doc_md=__doc__,
    tags=["tablero"],
    max_active_runs=1,
    default_args=retry_arguments(SETTINGS) | task_arguments(),
    params=PARAMS,
    **dag_arguments(SETTINGS, deadline=True),
)
def daily_send() -> None:
    @task(execution_timeout=timedelta(hours=6))
    def extract(params: dict, dag_run) -> dict:
        from tablero.airflow import tasks

        windows = tasks.plan_days(params, dag_run, PARAMS)
        return {"windows": windows, "tallies": tasks.extract(windows, params, dag_run.run_id)}

    @pausable_task(execution_timeout=timedelta(hours=12))
    def post(extracted: dict, params: dict, run_id: str) -> dict:
        from tablero.airflow import tasks

        return tasks.post(extracted["windows"], params, run_id)

    @pausable_task(execution_timeout=timedelta(hours=6), trigger_rule=TriggerRule.ALL_DONE, outlets=[SETTLED])
    def reconcile(extracted: dict | None, params: dict, run_id: str, outlet_events) -> None:
        from tablero.airflow import tasks

        found = extracted or {}
        tasks.prove(found.get("windows"), found.get("tallies"), params, run_id, outlet_events)

    extracted = extract()
    post(extracted) >> reconcile(extracted)


daily_send()
