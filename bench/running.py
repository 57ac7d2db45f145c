"""One run of one contender."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.report import Result
from bench.servers import Postgres, sink, size

ROOT = Path(__file__).resolve().parent.parent
_PYTHONS = {
    "dlt_destination": ROOT / ".venv-dlt" / "bin" / "python",
    "dlt_arrow": ROOT / ".venv-dlt" / "bin" / "python",
    "drt_rest": ROOT / ".venv-drt" / "bin" / "python",
}


def run(contender: str, server: Postgres, source: str, outbox: str, latency: float, *more: str) -> Result:
    """One run of one contender with a new sink.

    :param server: of the source.
    :param outbox: URL of a database, for contenders that need one.
    :param more: further arguments.
    :raises SystemExit: if it failed, or the sink did not receive what was reported as sent.
    """
    with sink(latency) as target:
        command = [str(_PYTHONS.get(contender, sys.executable)), "-m", f"bench.contenders.{contender.removesuffix('_sqlite')}"]
        command += ["--source", source, "--outbox", outbox, "--sink", target.url, *more]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", "PYTHONWARNINGS": "ignore"}
        used = server.cpu()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
        used = server.cpu() - used
        if done.returncode != 0:
            sys.exit(f"{contender} failed: {done.stdout}")
        said = json.loads(done.stdout.splitlines()[-1])
        came = target.counts()
    if came["rows"] != said["rows"]:
        sys.exit(f"{contender} says that it sent {said['rows']} rows; {came['rows']} came")
    return Result(
        contender, latency, said["rows"], said["seconds"], said["cpu"], used, said["peak"], came["calls"], size(outbox)
    )
