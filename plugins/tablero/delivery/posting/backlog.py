"""Batches that were pending before the pass, or are searched."""

from __future__ import annotations

from typing import Any

from tablero.delivery.posting.job import Job
from tablero.outbox.queue import claiming, pending
from tablero.outbox.queue.claims import Claim, LeasedPart


class Backlog:
    """Claims pending batches, and remembers when there was nothing left to claim.

    :param job: the parameters of the pass.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._may_have_whole = self._may_have_parts = True
        self._after: int | None = None

    def is_empty(self) -> bool:
        """Whether nothing is pending, including batches that another worker holds."""
        return not self.count()

    def count(self) -> int:
        """The number of batches that are pending, including those that some worker holds."""
        return pending.backlog(self._job.engine, self._job.windows).batches

    def reset(self) -> None:
        """Query again: batches that waited for others may be claimed now."""
        self._may_have_whole = self._may_have_parts = True
        self._after = None

    def has_parts(self) -> None:
        """Note that there are new batches to be searched."""
        self._may_have_parts = True

    def whole(self, most: int) -> list[Claim]:
        """Claim batches that need no search, the oldest change first; each is looked at once until :meth:`reset`."""
        claims = self._claim(most, self._after)
        if claims:
            self._after = claims[-1].batch_id
        return claims

    def least_failed(self, most: int) -> list[Claim]:
        """The same, but first those that have failed least often."""
        return self._claim(most, least_failed=True)

    def parts(self, most: int, *, largest: bool = False) -> list[LeasedPart]:
        """Lease batches that are searched.

        :param largest: first the one with the most rows.
        """
        if not self._may_have_parts:
            return []
        parts = claiming.lease_parts(*self._what, limit=most, largest=largest, **self._limits)
        self._may_have_parts = len(parts) >= most
        return parts

    def _claim(self, most: int, after: int | None = None, *, least_failed: bool = False) -> list[Claim]:
        if not self._may_have_whole:
            return []
        claims = claiming.claim(*self._what, limit=most, least_failed=least_failed, after=after, **self._limits)
        self._may_have_whole = len(claims) >= most
        return claims

    @property
    def _what(self) -> tuple[Any, Any, Any]:
        return self._job.engine, self._job.windows, self._job.holder

    @property
    def _limits(self) -> dict[str, Any]:
        settings = self._job.settings
        return {"most": settings.batch_size, "by_service": settings.group_by_service, "zone": settings.timezone}
