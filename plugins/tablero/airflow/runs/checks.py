"""The preflight in a task: its findings are logged, and what failed is raised."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from tablero.airflow import configuration
from tablero.airflow.configuration import clock
from tablero.delivery.preflight import Finding, Level, inspect
from tablero.errors import PermanentError, TableroError, TransientError
from tablero.settings import Settings
from tablero.texts import airflow as texts
from tablero.texts.text import joined, verbatim

log = logging.getLogger(__name__)


def inspect_all(settings: Settings, *, dry_run: bool = False, nightly: bool = False) -> Iterator[Finding]:
    """Run all checks of the preflight; a dry run needs neither outbox nor dashboard.

    :param nightly: only quick checks, of what a run cannot do without.
    """
    return inspect(
        settings,
        source=lambda: configuration.source(settings),
        outbox=None if dry_run else configuration.outbox,
        dashboard=None if dry_run else lambda: configuration.dashboard(settings),
        clock=clock,
        nightly=nightly,
    )


def require_ready(found: Iterable[Finding], *, only: type[TableroError] = TableroError) -> None:
    """Log the findings of the preflight and fail if a check failed.

    :param only: the class of errors to raise; failures of another class are only logged.
    :raises PermanentError, TransientError: lists all checks that failed.
    """
    levels = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.FAILED: logging.ERROR}
    failed = []
    for finding in found:
        log.log(levels[finding.level], "%s", finding)
        if finding.level is Level.FAILED:
            failed.append(finding)
    if failed:
        kind = TransientError if all(finding.transient for finding in failed) else PermanentError
        if issubclass(kind, only):
            listed = joined([verbatim(str(finding)) for finding in failed], "\n")
            raise kind(texts.CHECKS_FAILED(count=len(failed), findings=listed))
