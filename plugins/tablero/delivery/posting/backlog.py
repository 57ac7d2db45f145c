"""Batches that were pending before the pass: whole ones, and parts of refused ones."""

from __future__ import annotations

from tablero.delivery.posting.job import Job
from tablero.outbox.queue import claiming, pending
from tablero.outbox.queue.claims import Claim


class Backlog:
    """Claims batches that were pending before the pass, and remembers when there was nothing left to claim.

    :param job: the parameters of the pass.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._may_have_more = {"whole": True, "parts": True}

    def is_empty(self) -> bool:
        """Whether nothing is pending, including batches that another worker holds."""
        return not pending.backlog(self._job.engine, self._job.windows).batches

    def reset(self) -> None:
        """Query again: batches that waited for others may be claimed now."""
        self._may_have_more = dict.fromkeys(self._may_have_more, True)

    def whole(self, most: int) -> list[Claim]:
        """Claim batches as they were staged, the oldest change first."""
        return self._claim("whole", most)

    def least_failed(self, most: int) -> list[Claim]:
        """The same, but first those that have failed least often."""
        return self._claim("whole", most, least_failed=True)

    def parts(self, most: int) -> list[Claim]:
        """Claim parts of batches that were refused, or have failed."""
        return self._claim("parts", most)

    def _claim(self, kind: str, most: int, *, least_failed: bool = False) -> list[Claim]:
        if not self._may_have_more[kind]:
            return []
        job, settings = self._job, self._job.settings
        claims = claiming.claim(
            job.engine,
            job.windows,
            job.hold,
            limit=most,
            parts=kind == "parts",
            least_failed=least_failed,
            most=settings.batch_size,
            by_service=settings.group_by_service,
            zone=settings.timezone,
        )
        self._may_have_more[kind] = len(claims) >= most
        return claims
