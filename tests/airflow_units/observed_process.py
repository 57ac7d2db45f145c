"""A process with metrics and logs as in an Airflow task, in which one batch is delivered and one is lost.

Run by the tests of metrics and logs, since Airflow sets these up once for each process.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from airflow.sdk.configuration import conf
from airflow.sdk.log import configure_logging
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from tablero.airflow import metrics
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer, Attempt, Outcome
from tablero.outbox.ledger import Account

JANUARY = Window("month", "2020-01", datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2020, 2, 1, tzinfo=timezone.utc))

DELIVERED = Attempt(17, 1000, "5f0c3c0e", Answer(Outcome.DELIVERED, status=201, seconds=0.3124), window="2020-01")
LOST = Attempt(18, 400, "a55a55a5", Answer(Outcome.UNKNOWN, seconds=2.5, error="No answer."), window="2020-01")


def main(log: Path) -> None:
    """Emit all metrics and log lines.

    :param log: where Airflow writes its lines of JSON.
    """
    with log.open("wb", buffering=0) as lines:
        configure_logging(json_output=True, output=lines)
        stats.initialize(
            factory=stats_utils.get_stats_factory(), export_legacy_names=conf.getboolean("metrics", "legacy_names_on")
        )
        metrics.attempted(DELIVERED)
        metrics.attempted(LOST)
        metrics.reconciled([Account(JANUARY, read=1400, recount=1400, delivered=1000, pending=400)], 86_400.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
