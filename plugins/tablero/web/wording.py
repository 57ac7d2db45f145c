"""What a page says of values: reasons, degradations, statuses, days, and numbers of rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tablero.contract.reasons import Reason
from tablero.contract.statuses import STATUSES
from tablero.delivery.health.degraded import sentence
from tablero.outbox.findings import Degradation
from tablero.outbox.reports.actions import Action
from tablero.outbox.reports.coverage import Whole
from tablero.outbox.reports.snapshot import Count
from tablero.web.coverage.survey import Cell
from tablero.web.formats import Formats
from tablero.web.language import Texts

#: By the result of a count of the whole view.
_VIEW_ICONS = {"complete": "settled", "differs": "mismatch"}


class Wording:
    """Sentences and names in the language of a page; ``say`` in its template."""

    def __init__(self, texts: Texts, formats: Formats) -> None:
        self._texts = texts
        self._formats = formats

    def reason(self, code: str) -> str:
        """The sentence for a reason code."""
        try:
            reason = Reason(code)
        except ValueError:  # stored by a newer version of this package
            return code
        return reason.text.within(self._texts.language)

    def action(self, done: Action) -> str:
        """The sentence for an action: resolving a batch, or requeueing the rows of a reason."""
        return self._texts(f"action.{done.reason}") if done.is_of_a_batch else self.reason(done.reason)

    def finding(self, found: Degradation) -> str:
        """The sentence for a degradation."""
        return sentence(found).within(self._texts.language)

    def day_title(self, cell: Cell) -> str:
        """What is said of a day under the pointer: its state, its rejected rows, and what was not as usual."""
        said = f"{self._formats.long_day(cell.first)}: {self._texts(f'state.{cell.state.value}')}"
        if cell.rejected:
            said += f", {self._texts('cell.rejected', n=cell.rejected.counted, shown=self.amount(cell.rejected))}"
        return "; ".join([said, *map(self.finding, cell.degraded)])

    def view_count(self, found: Whole | None) -> str:
        """The sentence for the last count of the whole view."""
        if found is None:
            return self._texts("view.none")
        count = found.view
        values = {"counted": count.rows_counted, "read": count.rows_read, "later": count.rows_later}
        try:
            return self._texts(
                f"view.{count.result}", until=self._formats.instant(count.until), difference=count.difference, **values
            )
        except KeyError:  # stored by a newer version of this package
            return count.result

    def view_icon(self, found: Whole | None) -> str:
        """The icon for it, which is that of a state."""
        return _VIEW_ICONS.get(found.view.result, "pending") if found else "never"

    def fix(self, code: str) -> str:
        """The remedy for a reason."""
        try:
            return Reason(code).fix.within(self._texts.language)
        except ValueError:  # stored by a newer version of this package
            return ""

    def status_name(self, number: Any) -> str:
        """A status with its name, if it has one."""
        known = STATUSES.get(number) if isinstance(number, int) else None
        return f"{number} · {known.name}" if known else str(number)

    def raw(self, value: Any) -> str:
        """A value of the source that is neither text nor a number; timezone-aware datetimes in the institution's time zone."""
        return self._formats.exact(value) if isinstance(value, datetime) and value.tzinfo else str(value)

    def amount(self, count: Count, *, compact: bool = False) -> str:
        """A number of rows in a sentence; "more than" what was counted if they were not all counted."""
        number = self._formats.compact(count.counted) if compact else self._formats.number(count.counted)
        return number if count.is_exact else self._texts("over", shown=number)

    def rows(self, count: Count) -> str:
        """A number of rows with its noun."""
        if count.is_exact:
            return self._texts("rows", n=count.counted)
        return self._texts("rows.over", shown=self.amount(count))
