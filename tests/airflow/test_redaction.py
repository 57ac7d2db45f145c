"""No secret is visible anywhere, after all the tests that ran before."""

from __future__ import annotations

from tests.airflow import outbox
from tests.airflow.client import Client
from tests.airflow.credentials import SECRETS
from tests.airflow.dashboard import Dashboard
from tests.airflow.institution import Institution
from tests.airflow.server import Airflow

DAG = "historical_load"


def test_echo(server: Airflow, airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """Credentials echoed by the dashboard do not get into a log, an XCom or the outbox."""
    institution.month(dashboard.prefix, "2022-01", rows=30)
    echo = f"unauthorized: {' '.join(SECRETS.forms)}"
    dashboard.add_fault(kind="status", status=503, message=echo, times=1)
    dashboard.add_fault(kind="status", status=401, message=echo)

    run_id, state = airflow.load(DAG, {"start_month": "2022-01", "end_month": "2022-01"})

    assert state == "failed"
    assert "unauthorized" in airflow.log(DAG, run_id, "load_month", 0)
    xcoms = server.ask("select key, value::text from xcom")
    assert xcoms
    kept = {path: path.read_text(errors="replace") for path in server.home.glob("**/*.log")}
    assert len(kept) > 3
    kept |= {server.outbox: "\n".join(outbox.everything(server.outbox)), server.home / "xcom": repr(xcoms)}
    # The file itself, and not only query results: a value removed later would still be in the file.
    kept |= {path: path.read_bytes().decode(errors="replace") for path in server.outbox.parent.iterdir()}
    for path, text in kept.items():
        assert not [secret for secret in SECRETS.forms if secret in text], path
