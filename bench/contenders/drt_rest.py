"""drt ("data reverse tool"): a PostgreSQL source, ``rest_api`` in batch mode, with dead letters; one call at a time, since
it supports nothing else. Its limit of ten calls a second is lifted.

Runs in its own environment (``requirements-drt.txt``).
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from drt.cli.main import app

from bench.measure import BATCH, arguments, measured

_PROFILE = """
bench:
  type: postgres
  host: {host}
  port: {port}
  dbname: {name}
  user: {user}
  fetch_size: {batch}
"""

_SYNC = """
name: bench
model: SELECT service_id, request_id, opening_date, status_id, last_modified_date FROM tablero_status_changes
destination:
  type: rest_api
  url: {sink}
  body_mode: batch
  headers:
    Content-Type: application/json
  batch_template: '{{"requests": {{{{ rows | tojson_safe }}}}}}'
sync:
  mode: full
  batch_size: {batch}
  on_error: skip
  rate_limit:
    requests_per_second: 1000000
  dlq:
    enabled: true
"""


def project(folder: Path, source: str, sink: str) -> None:
    """Write drt's configuration: its project, the profile of the source in the home folder, one sync."""
    address = urlsplit(source)
    host = parse_qs(address.query).get("host", [address.hostname])[0]
    (folder / "drt_project.yml").write_text('name: bench\nversion: "0.1"\nprofile: bench\n', encoding="utf-8")
    (folder / ".drt").mkdir()
    (folder / "syncs").mkdir()
    profile = _PROFILE.format(
        host=host, port=address.port or 5432, name=address.path.strip("/"), user=address.username, batch=BATCH
    )
    (folder / ".drt" / "profiles.yml").write_text(profile, encoding="utf-8")
    (folder / "syncs" / "bench.yml").write_text(_SYNC.format(sink=sink, batch=BATCH), encoding="utf-8")


def send() -> int:
    """Send every row; returns how many were accepted according to drt."""
    app(["run"], standalone_mode=False)
    state = json.loads(Path(".drt/state.json").read_text(encoding="utf-8"))
    return int(state["bench"]["records_synced"])


if __name__ == "__main__":
    given = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        project(Path(temporary), given.source, given.sink)
        os.environ["HOME"] = temporary
        os.chdir(temporary)
        measured(send)
