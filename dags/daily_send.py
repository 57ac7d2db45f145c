"""
# Envío diario / Daily send

**Qué hace.** Cada día envía al Tablero de Monitoreo todos los cambios de estado del día civil anterior. Una ejecución
programada envía además todo lo que esté pendiente, relee los últimos días, cierra cualquier día que quedó sin leer, por antiguo
que sea, y prueba de nuevo los meses cuya prueba es la más antigua.

- **Una tarea está en rojo:** la última línea de su registro (log) dice qué hacer. Después límpiela con las posteriores
  (*Limpiar Instancia de Tarea*, *Downstream*): solo se envía lo que falta.
- **Enviar un día determinado:** lance el DAG con `day`. **Varios días:** Backfill, con `day` vacío.

**What it does.** Every day it sends all status changes of the previous civil day to the dashboard. A scheduled run also sends
everything that is pending, reads the last days again, closes every day that was left unread, however long ago, and proves anew
the months whose proof is oldest.

- **A task is red:** the last line of its log says what to do. Then clear it with its downstream tasks
  (*Clear Task Instance*, *Downstream*): only what is missing is sent.
- **Send a certain day:** trigger with `day`. **Several days:** Backfill, with `day` left empty.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
import tablero.package.supported  # noqa: F401 before what an older Airflow does not have
from airflow.sdk import Param, TriggerRule, dag
from tablero.airflow.assets import RECONCILIATIONS, SETTLED
from tablero.airflow.callbacks import dag_arguments, task_arguments
from tablero.airflow.configuration import page_url, read_settings, retry_arguments
from tablero.airflow.operators import tablero_task
from tablero.airflow.timetable import CivilDayTimetable
from tablero.texts import forms as texts

SETTINGS = read_settings()

PARAMS = {
    "day": Param(None, type=["null", "string"], format="date", title=str(texts.DAY), description=str(texts.DAY_MEANS)),
    "dry_run": Param(False, type="boolean", title=str(texts.DRY_RUN), description=str(texts.DRY_RUN_MEANS)),
    "resend": Param(False, type="boolean", title=str(texts.RESEND), description=str(texts.RESEND_MEANS)),
    "accept_changes": Param(
        False, type="boolean", title=str(texts.ACCEPT_CHANGES), description=str(texts.ACCEPT_CHANGES_MEANS)
    ),
}


@dag(
    dag_id="daily_send",
    dag_display_name=texts.DAILY.es,
    schedule=CivilDayTimetable(SETTINGS.daily_at, SETTINGS.timezone.name),
    start_date=pendulum.datetime(2020, 1, 1, tz=SETTINGS.timezone),
    catchup=False,
    doc_md=f"{__doc__}\n{texts.PAGE(url=page_url())}\n",
    tags=["tablero"],
    max_active_runs=1,
    # Whether an outbox is a new one, or the wrong one, is seen by what earlier runs delivered.
    default_args=retry_arguments(SETTINGS) | task_arguments() | {"inlets": [RECONCILIATIONS]},
    params=PARAMS,
    **dag_arguments(SETTINGS, deadline=True),
)
def daily_send() -> None:
    @tablero_task(execution_timeout=timedelta(minutes=10))
    def preflight(params: dict, dag_run) -> None:
        from tablero.airflow import tasks

        tasks.check_day(params, dag_run, PARAMS)

    @tablero_task(execution_timeout=timedelta(hours=6))
    def extract(params: dict, dag_run) -> dict:
        from tablero.airflow import tasks

        return tasks.extract(params, dag_run, PARAMS)

    # Whatever became of the reading: what earlier nights left pending waits for nothing.
    @tablero_task(execution_timeout=timedelta(hours=12), trigger_rule=TriggerRule.ALL_DONE)
    def post(extracted: dict | None, params: dict, dag_run) -> dict:
        from tablero.airflow import tasks

        return tasks.post(extracted, params, dag_run)

    @tablero_task(execution_timeout=timedelta(hours=6), trigger_rule=TriggerRule.ALL_DONE, outlets=[SETTLED])
    def reconcile(extracted: dict | None, posted: dict | None, params: dict, dag_run, outlet_events) -> None:
        from tablero.airflow import tasks

        tasks.prove_day(extracted, posted, params, dag_run, outlet_events)

    extracted = extract()
    preflight() >> extracted
    reconcile(extracted=extracted, posted=post(extracted))


daily_send()
