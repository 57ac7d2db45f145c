"""The result of a benchmark as a table and a chart."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.measure import BATCH, IN_FLIGHT

_NAMES = {
    "tablero": {"es": "Tablero", "en": "Tablero"},
    "guide": {"es": "bucle de la guía", "en": "the guide's loop"},
    "http_hook": {"es": "bucle con HttpHook.run", "en": "HttpHook.run in a loop"},
    "dlt_destination": {"es": "dlt 1.31", "en": "dlt 1.31"},
}
_HEADS = {
    "es": ("latencia", "", "filas/s", "Tablero es", "techo", "memoria", "llamadas"),
    "en": ("latency", "", "rows/s", "Tablero is", "ceiling", "memory", "calls"),
}
_ABOUT = {
    "es": "{rows} cambios de estado, PostgreSQL como fuente y outbox, rondas alternadas: {rounds}, medianas,"
    " de dos la más lenta; {machine}. Techo:"
    " llamadas en vuelo × filas de un lote ÷ latencia. Memoria: sobre el proceso en reposo. Repetir: `make bench`.",
    "en": "{rows} status changes, PostgreSQL as source and outbox, alternating rounds: {rounds}, medians,"
    " of two the slower; {machine}. Ceiling:"
    " calls in flight × rows of a batch ÷ latency. Memory: above the idle process. Repeat: `make bench`.",
}
_COLOURS = {"tablero": "#0b5cad", "guide": "#9a6700", "http_hook": "#6e7781", "dlt_destination": "#8250df"}

#: Those that can have several calls in flight.
_CONCURRENT = {"tablero", "dlt_destination"}


@dataclass(frozen=True)
class Result:
    """One run.

    :ivar latency: of the sink, in seconds.
    :ivar seconds: from the first row read to the last answer.
    :ivar peak: memory above the idle process, in MiB; of all its processes together.
    """

    contender: str
    latency: float
    rows: int
    seconds: float
    peak: float
    calls: int

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def ceiling(self) -> float | None:
        """Most rows a second that the latency allows; ``None`` where it allows any."""
        if not self.latency:
            return None
        return (IN_FLIGHT if self.contender in _CONCURRENT else 1) * BATCH / self.latency

    def __str__(self) -> str:
        return (
            f"{self.latency * 1000:.0f} ms {self.contender}: {self.rate:,.0f} rows/s, {self.calls} calls, {self.peak:.0f} MiB"
        )


def table(results: list[Result], language: str) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(_HEADS[language]) + " |", "|---:|---|---:|---:|---:|---:|---:|"]
    ours = {result.latency: result.rate for result in results if result.contender == "tablero"}
    for result in results:
        ratio = "" if result.contender == "tablero" or not ours else f"× {ours[result.latency] / result.rate:.1f}"
        cells = (
            f"{result.latency * 1000:.0f} ms",
            _NAMES[result.contender][language],
            f"{result.rate:,.0f}",
            ratio,
            f"{result.ceiling:,.0f}" if result.ceiling else "",
            f"{result.peak:.0f} MiB",
            f"{result.calls:,}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chart(results: list[Result]) -> str:
    """Bars of rows a second, by latency, as SVG; readable on a light and on a dark page."""
    most = max(result.rate for result in results)
    lines, top, before = [], 10, None
    for result in results:
        if result.latency != before:
            before, top = result.latency, top + 26
            lines.append(f'<text x="10" y="{top - 6}" font-weight="bold">{result.latency * 1000:.0f} ms</text>')
        width = 470 * result.rate / most
        name = escape(_NAMES[result.contender]["en"])
        lines.append(f'<text x="170" y="{top + 13}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="180" y="{top}" width="{width:.1f}" height="16" fill="{_COLOURS[result.contender]}"/>')
        lines.append(f'<text x="{186 + width:.0f}" y="{top + 13}">{result.rate:,.0f}</text>')
        top += 21
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{top + 10}" viewBox="0 0 760 {top + 10}"'
        ' font-family="sans-serif" font-size="12"><title>filas por segundo / rows a second</title>'
        f'<rect width="760" height="{top + 10}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def publish(results: list[Result], rows: int, rounds: dict[float, int], root: Path) -> None:
    """Write the chart, and put the table between the marks of both READMEs."""
    (root / "docs" / "bench.svg").write_text(chart(results), encoding="utf-8")
    for language, name in (("en", "README.md"), ("es", "README.es.md")):
        turns = ", ".join(f"{turns} ({latency * 1000:.0f} ms)" for latency, turns in rounds.items())
        about = _ABOUT[language].format(rows=f"{rows:,}", rounds=turns, machine=_machine())
        block = f"<!-- bench -->\n{table(results, language)}\n\n{about}\n<!-- /bench -->"
        path = root / name
        before, _, rest = path.read_text(encoding="utf-8").partition("<!-- bench -->")
        _, _, after = rest.partition("<!-- /bench -->")
        path.write_text(before + block + after, encoding="utf-8")


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (match := re.search(r"model name\s*: (.*)", cpuinfo.read_text(encoding="utf-8"))):
        model = match.group(1)
    return f"{os.cpu_count()} CPU {model}, {platform.system()}, Python {platform.python_version()}"
