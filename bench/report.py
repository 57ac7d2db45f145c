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
    "dlt_arrow": {"es": "dlt 1.31, ConnectorX", "en": "dlt 1.31, ConnectorX"},
    "drt_rest": {"es": "drt 1.2", "en": "drt 1.2"},
}
_HEADS = {
    "es": ("latencia", "", "filas/s", "Tablero es", "techo", "CPU por fila", "del bucle", "memoria", "llamadas"),
    "en": ("latency", "", "rows/s", "Tablero is", "ceiling", "CPU a row", "of the loop", "memory", "calls"),
}
_ABOUT = {
    "es": "{rows} cambios de estado, PostgreSQL como fuente y outbox, rondas alternadas: {rounds}, medianas,"
    " de dos la más lenta; {machine}. Techo: llamadas en vuelo × filas de un lote ÷ latencia. CPU: del cliente + del servidor"
    " de fuente y outbox, en µs, y en proporción al bucle de la guía. Memoria: sobre el proceso en reposo.{size}"
    " Repetir: `make bench`.",
    "en": "{rows} status changes, PostgreSQL as source and outbox, alternating rounds: {rounds}, medians,"
    " of two the slower; {machine}. Ceiling: calls in flight × rows of a batch ÷ latency. CPU: of the client + of the server"
    " of source and outbox, in µs, and in proportion to the guide's loop. Memory: above the idle process.{size}"
    " Repeat: `make bench`.",
}
_SIZE = {"es": " El outbox ocupa {size:.0f} bytes por fila.", "en": " The outbox takes {size:.0f} bytes a row."}
_COLOURS = {
    "tablero": "#0b5cad",
    "guide": "#9a6700",
    "http_hook": "#6e7781",
    "dlt_destination": "#8250df",
    "dlt_arrow": "#6639ba",
    "drt_rest": "#bc4c00",
}

#: Those that can have several calls in flight.
_CONCURRENT = {"tablero", "dlt_destination", "dlt_arrow"}


@dataclass(frozen=True)
class Result:
    """One run.

    :ivar latency: of the sink, in seconds.
    :ivar seconds: from the first row read to the last answer.
    :ivar client: seconds of CPU, of all its processes together.
    :ivar server: seconds of CPU of the database server, which has the source and, where there is one, the outbox.
    :ivar peak: memory above the idle process, in MiB; of all its processes together.
    :ivar size: bytes of its outbox on disk.
    """

    contender: str
    latency: float
    rows: int
    seconds: float
    client: float
    server: float
    peak: float
    calls: int
    size: int

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def cpu(self) -> float:
        """Microseconds of CPU a row, of client and server together."""
        return (self.client + self.server) / self.rows * 1e6

    @property
    def ceiling(self) -> float | None:
        """Most rows a second that the latency allows; ``None`` where it allows any."""
        if not self.latency:
            return None
        return (IN_FLIGHT if self.contender in _CONCURRENT else 1) * BATCH / self.latency

    @property
    def own_ceiling(self) -> float | None:
        """The same for the calls that it made, whose batches need not be full."""
        return self.ceiling and self.ceiling * self.rows / (self.calls * BATCH)

    def __str__(self) -> str:
        of_its_calls = f" ({self.rate / self.own_ceiling:.2f} of the ceiling of its calls)" if self.own_ceiling else ""
        return (
            f"{self.latency * 1000:.0f} ms {self.contender}: {self.rate:,.0f} rows/s{of_its_calls}, {self.calls} calls,"
            f" CPU {self.client:.1f} + {self.server:.1f} s, {self.peak:.0f} MiB, {self.size / self.rows:.1f} bytes a row"
        )


def table(results: list[Result], language: str) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(_HEADS[language]) + " |", "|---:|---|---:|---:|---:|---:|---:|---:|---:|"]
    ours, guide = (
        {result.latency: result for result in results if result.contender == contender} for contender in ("tablero", "guide")
    )
    for result in results:
        mine, loop = ours.get(result.latency), guide.get(result.latency)
        cells = (
            f"{result.latency * 1000:.0f} ms",
            _NAMES[result.contender][language],
            f"{result.rate:,.0f}",
            f"× {mine.rate / result.rate:.1f}" if mine and mine is not result else "",
            f"{result.ceiling:,.0f}" if result.ceiling else "",
            f"{result.client / result.rows * 1e6:.1f} + {result.server / result.rows * 1e6:.1f}",
            f"× {result.cpu / loop.cpu:.2f}" if loop else "",
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
        sizes = [result.size / result.rows for result in results if result.contender == "tablero"]
        size = _SIZE[language].format(size=sizes[0]) if sizes else ""
        about = _ABOUT[language].format(rows=f"{rows:,}", rounds=turns, machine=_machine(), size=size)
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
