"""Where Tablero's page shows a degradation: for the links in alerts, and on the page itself."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from tablero.contract.windows import UNDATED
from tablero.outbox.findings import Degradation

#: The label of a day or of a month, which has a page of its own.
_LABEL = re.compile(r"\d{4}-\d\d(-\d\d)?")

#: Causes whose rows the page of rejections shows.
OF_REJECTIONS = frozenset({"rejected", "all_rejected", "undated", "few_refusals"})

#: Causes whose batches the list of batches shows.
_OF_BATCHES = frozenset({"unknown", "recognised"})


def address(found: Degradation, run_id: str) -> str:
    """The address of the page that shows a degradation: its rejected rows, the batches of its run, or the window itself.

    :param run_id: the run that found it.
    :returns: relative to Tablero's first page, which is the empty address.
    """
    if found.cause in _OF_BATCHES:
        return f"batches?{urlencode({'show': 'unknown', 'run': run_id})}"
    if found.cause not in OF_REJECTIONS:
        return window(found.label)
    return f"rejections?month={found.label}" if found.label == UNDATED or _LABEL.fullmatch(found.label) else "rejections"


def window(label: str) -> str:
    """The address of a window; the first page for one without a page of its own, such as ``undated``."""
    return f"window/{label}" if _LABEL.fullmatch(label) else ""
