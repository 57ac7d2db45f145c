"""Names and forms in the documents match those of the code and of Airflow."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from airflow.configuration import conf
from airflow.sdk import DAG, Asset, Connection
from tablero.airflow.alerts.content import failure
from tablero.airflow.assets import RECONCILIATIONS
from tablero.delivery.health.degraded import Cause
from tablero.outbox.alerts.troubles import Situation
from tablero.outbox.findings import Degradation
from tablero.settings import Settings

from tests.guides.blocks import DOCUMENTS, ROOT, Block, blocks, spanish

#: Other variables in the blocks, neither Airflow's nor ours.
OTHERS = {"OUTBOX", "HTTPS_PROXY", "NO_PROXY", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"}

ASSIGNMENT = re.compile(r"^(?:export )?([A-Z_]+)=", re.MULTILINE)

SETTING = [block for document in DOCUMENTS for block in blocks(document) if ASSIGNMENT.search(block.text)]


def set_by(block: Block) -> dict[str, str]:
    """The variables that a block sets in a shell, by name; nothing else in the block is run."""
    lines = [line for line in block.text.splitlines() if ASSIGNMENT.match(line)]
    code = "\n".join(["set -a", *lines, "env -0"])
    done = subprocess.run(
        ["bash", "-eu", "-c", code], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    known = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)
    return {name: known[name] for line in lines for name in re.findall(r"([A-Z_]+)=", line) if name in known}


@pytest.mark.parametrize("block", SETTING, ids=lambda block: f"{block.document} {block.heading} {block.number}")
def test_what_a_block_sets(block: Block) -> None:
    """A block sets connections that Airflow can read, our settings with valid values, or Airflow's options."""
    values = set_by(block)
    assert values
    ours = {name.removeprefix("AIRFLOW__TABLERO__").lower(): value for name, value in values.items() if "__TABLERO__" in name}
    Settings.read({key: value.replace("<member>", "1").replace("<subsystem>", "x") for key, value in ours.items()})
    for name, value in values.items():
        if name.startswith("AIRFLOW_CONN_"):
            made = Connection.from_json if value.startswith("{") else Connection.from_uri
            found = made(value, conn_id=name)
            assert found.host
            assert found.conn_type in {"postgres", "http", "smtp"}
        elif name.startswith("AIRFLOW__") and "__TABLERO__" not in name:
            section, option = name.removeprefix("AIRFLOW__").lower().split("__")
            assert section == "openlineage" or conf.has_option(section, option), name
        elif not name.startswith("AIRFLOW__"):
            assert name in OTHERS


def test_the_webhook() -> None:
    """The example of a webhook has the fields and forms of the real one."""
    (block,) = blocks("docs/alerts.md", language="json")
    example = orjson.loads(block.text)
    since = datetime(2026, 11, 24, 6, 3, 10, tzinfo=timezone.utc)
    one = Degradation(Cause.REJECTED.value, "2026-11-23", since, since, 3, 10)
    sent = failure("daily_send", "scheduled__x", Situation([], []), base_url="https://a", since=since, degraded=[one]).to_json()
    assert list(example) == list(sent) or set(example) == set(sent)
    assert set(example["links"]) == set(sent["links"])
    text = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    for field in sent["degraded"][0]:
        assert f"`{field}`" in text.partition("`degraded` is a list of")[2].partition("\n")[0]


@pytest.mark.parametrize("document", ["docs/alerts.md", spanish("docs/alerts.md")])
def test_every_cause_and_kind_of_an_alert_is_explained(document: str) -> None:
    """Every cause and kind of an alert is explained, in the order of the code."""
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
    assert rows[-len(Cause) :] == [cause.value for cause in Cause]
    code = (ROOT / "plugins/tablero/airflow/alerts/content.py").read_text(encoding="utf-8")
    kinds = re.findall(r'Alert\(\s*"(\w+)"', code)
    assert rows[-len(Cause) - len(kinds) : -len(Cause)] == kinds


def test_the_dag_that_waits_for_a_reconciliation(tmp_path: Path) -> None:
    """The example in docs/metrics.md is a DAG scheduled on the asset with the name and the address in the code."""
    (block,) = blocks("docs/metrics.md", language="python")
    names: dict[str, Any] = {}
    exec(compile(block.text, "metrics.md", "exec"), names)
    dag = names["after_settling"]()
    assert isinstance(dag, DAG)
    assert names["RECONCILIATIONS"] == Asset(name=RECONCILIATIONS.name, uri=RECONCILIATIONS.uri)
    assert dag.task_ids == ["look"]
