"""
# Carga histórica / Historical load

**Qué hace.** Lee de la base de datos de la institución todos los cambios de estado desde `start_month` hasta hoy, mes por
mes, y los envía al Tablero de Monitoreo. Puede lanzarse, limpiarse o repetirse cuando sea: solo se envía lo que falta.

- **Un mes está en rojo:** abra el registro (log) de ese `load_month`; la última línea dice qué hacer. Después límpielo con las
  tareas posteriores (*Limpiar Instancia de Tarea*, *Downstream*).
- **`reconcile` está en rojo:** su tabla dice qué mes no está completo y por qué.
- **Ver antes de enviar:** lance el DAG con `dry_run`: lee todo, lo compara con lo entregado, y no envía nada.

**What it does.** Reads all status changes from the institution's database since `start_month`, month by month, and sends them
to the dashboard. Trigger, clear or repeat it at any time: only what is missing is sent.

- **A month is red:** open the log of that `load_month`; its last line says what to do. Then clear it with its downstream tasks
  (*Clear Task Instance*, *Downstream*).
- **`reconcile` is red:** its table says which month is incomplete, and why.
- **Look before you send:** trigger with `dry_run`: reads everything, compares it with what is delivered, and sends nothing.
"""

from __future__ import annotations

from datetime import timedelta

import tablero.package.supported  # noqa: F401 before what an older Airflow does not have
from airflow.sdk import Param, TriggerRule, dag
from tablero.airflow.assets import RECONCILIATIONS, SETTLED
from tablero.airflow.callbacks import dag_arguments, task_arguments
from tablero.airflow.configuration import page_url, read_settings, retry_arguments
from tablero.airflow.operators import tablero_task
from tablero.texts import forms as texts

SETTINGS = read_settings()
MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
EARLIEST = f"{SETTINGS.earliest:%Y-%m}"

PARAMS = {
    "start_month": Param(
        EARLIEST,
        type="string",
        pattern=MONTH,
        title=str(texts.START_MONTH),
        description=str(texts.START_MONTH_MEANS(earliest=EARLIEST)),
    ),
    "end_month": Param(
        None,
        type=["null", "string"],
        pattern=MONTH,
        title=str(texts.END_MONTH),
        description=str(texts.END_MONTH_MEANS),
    ),
    "dry_run": Param(False, type="boolean", title=str(texts.DRY_RUN), description=str(texts.DRY_RUN_MEANS)),
    "resend": Param(False, type="boolean", title=str(texts.RESEND), description=str(texts.RESEND_MEANS)),
    "accept_changes": Param(
        False, type="boolean", title=str(texts.ACCEPT_CHANGES), description=str(texts.ACCEPT_CHANGES_MEANS)
    ),
}


@dag(
    dag_id="historical_load",
    dag_display_name=texts.HISTORY.es,
    schedule=None,
    doc_md=f"{__doc__}\n{texts.PAGE(url=page_url())}\n",
    tags=["tablero"],
    max_active_runs=1,
    # Whether an outbox is a new one, or the wrong one, is seen by what earlier runs delivered.
    default_args=retry_arguments(SETTINGS) | task_arguments() | {"inlets": [RECONCILIATIONS]},
    params=PARAMS,
    **dag_arguments(SETTINGS),
)
def historical_load() -> None:
    @tablero_task(execution_timeout=timedelta(minutes=10))
    def preflight(params: dict, dag_run) -> None:
        from tablero.airflow import tasks

        tasks.check(params, dag_run.conf, PARAMS)

    @tablero_task(execution_timeout=timedelta(minutes=10))
    def plan_months(params: dict) -> list[dict]:
        from tablero.airflow import tasks

        return tasks.plan_months(params)

    @tablero_task(
        execution_timeout=timedelta(hours=12),
        max_active_tis_per_dagrun=SETTINGS.parallel_months,
        map_index_template="{{ task.op_kwargs.get('window', {}).get('name', '') }}",
    )
    def load_month(window: dict, params: dict, run_id: str) -> dict:
        from tablero.airflow import tasks

        return tasks.load(window, params, run_id)

    @tablero_task(execution_timeout=timedelta(hours=6), trigger_rule=TriggerRule.ALL_DONE, outlets=[SETTLED])
    def reconcile(windows: list[dict], loaded: list[dict], params: dict, run_id: str, outlet_events) -> None:
        from tablero.airflow import tasks

        tasks.prove_months(windows, loaded, params, run_id, outlet_events)

    months = plan_months()
    preflight() >> months
    reconcile(windows=months, loaded=load_month.expand(window=months))


historical_load()
