"""Metrics arrive at StatsD's port and at an OpenTelemetry collector, and fields in Airflow's log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.airflow_units.observed_process import DELIVERED, LOST

ROOT = Path(__file__).resolve().parents[2]

#: The fields of each event in a log line.
OF_AIRFLOW = {"timestamp", "level", "event", "logger", "filename", "lineno"}

#: Runs the program with these settings of section [metrics] and OpenTelemetry's own variables; returns the lines of its log.
Watch = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A separate process with a fresh Airflow."""

    def run(standard: dict[str, str] | None = None, **settings: object) -> list[dict[str, Any]]:
        log = tmp_path / "attempt=1.log"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "OTEL_"))},
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
            **{f"AIRFLOW__METRICS__{key.upper()}": str(value) for key, value in settings.items()},
            **(standard or {}),
        }
        command = [sys.executable, "-m", "tests.airflow_units.observed_process", str(log)]
        subprocess.run(command, env=environment, check=True, timeout=120)
        return [json.loads(line) for line in log.read_text().splitlines()]

    return run


def test_the_log_has_sentence_and_fields(watch: Watch) -> None:
    """Each attempt has one log line, with a sentence for people and its fields for programs; the next line has none of them."""
    lines = [line for line in watch() if line["logger"] == "tablero.dashboard.answer"]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "batch 17, 1000 rows: delivered, HTTP 201, 312 ms, X-Road-Id 5f0c3c0e"),
        ("warning", "batch 18, 400 rows: unknown, HTTP -, 2500 ms, X-Road-Id a55a55a5: No answer."),
    ]
    fields = [{name: line[name] for name in line.keys() - OF_AIRFLOW} for line in lines]
    assert fields == [DELIVERED.fields(), LOST.fields()]


# -- StatsD ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def statsd() -> Iterator[socket.socket]:
    """A port that receives StatsD's datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.5)
        yield receiver


def arrived(receiver: socket.socket) -> set[str]:
    """Our metrics that have arrived."""
    found: set[str] = set()
    with suppress(TimeoutError):
        while True:
            found |= set(receiver.recv(65_535).decode().splitlines())
    return {line for line in found if line.startswith("airflow.tablero.")}


PLAIN = {
    "airflow.tablero.batches:1|c",
    "airflow.tablero.rows:1000|c",
    "airflow.tablero.pending_rows:400|g",
    "airflow.tablero.pending_age:86400.0|g",
    "airflow.tablero.open_windows:1|g",
    "airflow.tablero.degraded:0|g",
}


@pytest.mark.parametrize(
    ("tags", "counted"),
    [
        (
            True,
            {
                "airflow.tablero.attempts,outcome=delivered:1|c",
                "airflow.tablero.attempts,outcome=unknown:1|c",
                "airflow.tablero.latency,outcome=delivered:312.400000|ms",
                "airflow.tablero.latency,outcome=unknown:2500.000000|ms",
            },
        ),
        # Plain StatsD has no tags.
        (
            False,
            {
                "airflow.tablero.attempts:1|c",
                "airflow.tablero.latency:312.400000|ms",
                "airflow.tablero.latency:2500.000000|ms",
            },
        ),
    ],
)
def test_statsd(watch: Watch, statsd: socket.socket, *, tags: bool, counted: set[str]) -> None:
    """Metrics follow Airflow's own settings, and have the outcome as a tag where the receiver supports tags."""
    pytest.importorskip("statsd", reason="statsd is not installed; requirements.txt names it")
    watch(statsd_on=True, statsd_host="127.0.0.1", statsd_port=statsd.getsockname()[1], statsd_influxdb_enabled=tags)
    assert arrived(statsd) == PLAIN | counted


# -- OpenTelemetry ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """A collector of OTLP over HTTP: its address, and what has arrived."""
    received: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/metrics"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def values_of(requests: list[ExportMetricsServiceRequest]) -> dict[tuple[str, str], float]:
    """Value or sum, by metric and outcome."""
    metrics = [
        metric
        for request in requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("airflow.tablero.")
    ]
    found = {}
    for metric in metrics:
        kind = metric.WhichOneof("data")
        for point in getattr(metric, kind).data_points:
            outcome = "".join(pair.value.string_value for pair in point.attributes if pair.key == "outcome")
            value = point.sum if "histogram" in kind else getattr(point, point.WhichOneof("value"))
            found[metric.name.removeprefix("airflow.tablero."), outcome] = value
    return found


def test_opentelemetry(watch: Watch, collector: tuple[str, list[ExportMetricsServiceRequest]]) -> None:
    """All metrics have arrived when the process has ended, however short it was."""
    address, received = collector
    watch({"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, otel_on=True)
    assert values_of(received) == {
        ("attempts", "delivered"): 1,
        ("attempts", "unknown"): 1,
        ("latency", "delivered"): pytest.approx(312.4),
        ("latency", "unknown"): pytest.approx(2500),
        ("batches", ""): 1,
        ("rows", ""): 1000,
        ("pending_rows", ""): 400,
        ("pending_age", ""): 86_400,
        ("open_windows", ""): 1,
        ("degraded", ""): 0,
    }
