"""
# Carga histórica / Historical load

**Qué hace.** Lee de la base de datos de la institución todos los cambios de estado desde `start_month` hasta hoy, mes por
mes, y los envía al Tablero de Monitoreo. Puede lanzarse, limpiarse (Clear) o repetirse cuando sea: solo se envía lo que falta.

- **Un mes está en rojo:** abra el registro (log) de ese `load_month`; la última línea dice qué hacer. Después límpielo con sus
  tareas posteriores (Clear, *Downstream*).
- **`reconcile` está en rojo:** su tabla dice qué mes no está completo y por qué.
- **Ver antes de enviar:** lance el DAG con `dry_run`: lee y valida todo, y no escribe ni envía nada.

**What it does.** Reads all status changes from the institution's database since `start_month`, month by month, and sends them
to the dashboard. Trigger, clear or repeat it at any time: only what is missing is sent.

- **A month is red:** open the log of that `load_month`; its last line says what to do. Then clear it with its downstream tasks.
- **`reconcile` is red:** its table says which month is incomplete, and why.
- **Look before you send:** trigger with `dry_run`: reads and validates everything, writes and sends nothing.
"""

from __future__ import annotations

from datetime import timedelta

import tablero.package.supported  # noqa: F401 before what an older Airflow does not have
from airflow.sdk import Param, TriggerRule, dag, task
from tablero.airflow.callbacks import dag_arguments, task_arguments
from tablero.airflow.configuration import read_settings, retry_arguments
from tablero.airflow.metrics import SETTLED
from tablero.airflow.pausing import pausable_task

SETTINGS = read_settings()
MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
EARLIEST = f"{SETTINGS.earliest:%Y-%m}"

PARAMS = {
    "start_month": Param(
        EARLIEST,
        type="string",
        pattern=MONTH,
        title="Primer mes / First month",
        description=f"AAAA-MM, no antes de [tablero] earliest ({EARLIEST}) /"
        f" YYYY-MM, not before [tablero] earliest ({EARLIEST}).",
    ),
    "end_month": Param(
        None,
        type=["null", "string"],
        pattern=MONTH,
        title="Último mes / Last month",
        description="AAAA-MM, incluido; vacío: el mes de hoy / YYYY-MM, included; empty: the month of today.",
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
        description="Envía otra vez lo ya entregado de estos meses; solo si el tablero lo pide / Posts delivered rows of"
        " these months again; only if the dashboard asks for it.",
    ),
}


@dag(
    dag_id="historical_load",
    dag_display_name="Carga histórica",
    schedule=None,
    doc_md=__doc__,
    tags=["tablero"],
    max_active_runs=1,
    default_args=retry_arguments(SETTINGS) | task_arguments(),
    params=PARAMS,
    **dag_arguments(SETTINGS),
)
def historical_load() -> None:
    @task(execution_timeout=timedelta(minutes=10))
    def preflight(params: dict, dag_run) -> None:
        from tablero.airflow import tasks

        tasks.check(params, dag_run.conf, PARAMS)

    @task(execution_timeout=timedelta(minutes=10))
    def plan_months(params: dict) -> list[dict]:
        from tablero.airflow import tasks

        return tasks.plan_months(params)

    @pausable_task(
        execution_timeout=timedelta(hours=12),
        max_active_tis_per_dagrun=SETTINGS.parallel_months,
        map_index_template="{{ task.op_kwargs.get('window', {}).get('label', '') }}",
    )
    def load_month(window: dict, params: dict, run_id: str) -> dict:
        from tablero.airflow import tasks

        return tasks.load(window, params, run_id)

    @pausable_task(execution_timeout=timedelta(hours=6), trigger_rule=TriggerRule.ALL_DONE, outlets=[SETTLED])
    def reconcile(windows: list[dict], loaded: list[dict], params: dict, run_id: str, outlet_events) -> None:
        from tablero.airflow import tasks

        tasks.prove(windows, loaded, params, run_id, outlet_events)

    months = plan_months()
    preflight() >> months
    reconcile(windows=months, loaded=load_month.expand(window=months))


historical_load()
