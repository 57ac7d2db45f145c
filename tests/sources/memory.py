"""The memory that reading a month takes; run in a separate process by ``test_memory.py``.

``python -m tests.sources.memory URL``. Prints JSON: the rows read, and resident MiB when idle and at its highest.
"""

from __future__ import annotations

import json
import sys
import time

import sqlalchemy as sa
from tablero.source.reader import Source

from tests.integration.memory import status
from tests.integration.samples import ZONE, month


def read(address: str) -> dict[str, float]:
    """Read February 2020."""
    source = Source(sa.create_engine(address), table="tablero_status_changes", sql=None, zone=ZONE, day_zone=ZONE)
    source.check()
    idle = status("VmRSS")
    began = time.monotonic()
    rows = sum(1 for _ in source.read(month("2020-02")))
    return {"rows": rows, "idle": idle, "highest": status("VmHWM"), "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout)
