"""The assets that runs update. DAG files import this module, so it imports nothing else of ours."""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

#: Updated for each window that a reconciliation finds settled with other counts than before; the event's extra contains them.
WINDOWS = Asset(name="tablero_windows", uri="x-tablero://windows")

#: Updated once for each reconciliation that finds any window settled; the event's extra contains the counts of those that
#: changed. Other DAGs are scheduled on this asset: if a task emits several events of one asset, Airflow 3.3.2 passes only the
#: first to the run that they trigger, and the others to the run after it. The state that Airflow keeps for this asset
#: says whether rows were ever delivered: see ``history``.
RECONCILIATIONS = Asset(name="tablero_reconciliations", uri="x-tablero://reconciliations")

#: The outlet through which the events of both assets are emitted.
SETTLED = AssetAlias("tablero_settled")
