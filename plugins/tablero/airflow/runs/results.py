"""What a task passes on to the next one, and what Airflow stores of it: counts and windows, never a row."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from tablero.contract.windows import Window
from tablero.delivery.rows import Tally
from tablero.delivery.sending import Delivery
from tablero.errors import PermanentError
from tablero.texts import airflow as texts
from tablero.texts.text import verbatim

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Day(NamedTuple):
    """The result of ``extract`` as it is passed to the following tasks.

    :ivar windows: windows to be proved, the run's own day first.
    :ivar audits: windows to be proved again.
    :ivar tallies: of the windows that were read.
    :ivar everything: whether to post all that is pending, instead of what is pending in these windows.
    """

    windows: list[Window]
    audits: list[Window]
    tallies: list[Json]
    everything: bool

    def to_json(self) -> Json:
        """The form that Airflow stores."""
        windows, audits = ([window.to_json() for window in some] for some in (self.windows, self.audits))
        return self._asdict() | {"windows": windows, "audits": audits}

    @classmethod
    def from_json(cls, data: Json) -> Day:
        """The inverse of :meth:`to_json`."""
        # The XCom of a task of version 0.1, from before an upgrade, has neither audits nor ``everything``.
        windows, audits = ([Window.from_json(one) for one in data.get(key) or ()] for key in ("windows", "audits"))
        return cls(windows, audits, list(data.get("tallies") or ()), bool(data.get("everything")))


def sent(delivery: Delivery) -> Json:
    """The result of sending."""
    return {"delivered": delivery.rows, "refused": delivery.refused}


def counts_of(tally: Tally) -> Json:
    """The result of reading a window."""
    return {
        "window": tally.window.label,
        "read": tally.read,
        "new": tally.new,
        "known": tally.known,
        "duplicate": tally.duplicates,
        "excluded": tally.excluded,
        "rejected": dict(tally.rejected),
        "batches": tally.batches,
        "bytes": tally.bytes,
    }


def report_dry_run(tallies: Sequence[Json], planned: int) -> None:
    """Log what a run would have done.

    :param tallies: the results of its dry runs, each of one window.
    :param planned: number of its windows.
    :raises PermanentError: if one of them has no result.
    """
    for tally in tallies:
        log.info(
            "dry run %s: %d rows, %d new to send, %d calls, %d bytes; %d duplicate, %d excluded, rejected: %s",
            *(tally[key] for key in ("window", "read", "new", "batches", "bytes", "duplicates", "excluded")),
            tally["rejected"] or "none",
        )
        log.info(
            "dry run %s: %d known, %d gone from the source, %d of them to be withdrawn; %d to be sent again",
            *(tally[key] for key in ("window", "known", "gone", "withdrawn", "resent")),
        )
        if tally.get("seconds") is not None:
            log.info("dry run %s: about %.0f s, in %d nights", tally["window"], tally["seconds"], tally["nights"])
        if tally.get("brake"):
            log.warning("%s", verbatim(tally["brake"]))
    if len(tallies) < planned:
        raise PermanentError(texts.DRY_RUN_INCOMPLETE(read=len(tallies), planned=planned))
    log.info("dry run: nothing was written or sent")
