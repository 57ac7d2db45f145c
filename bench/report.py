"""The result of a benchmark: a table, and sentences that follow from it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.measure import BATCH, IN_FLIGHT
from bench.plan import CONCURRENT, SQLITE

NAMES = {
    "tablero": {"es": "Tablero", "en": "Tablero"},
    "tablero_sqlite": {"es": "Tablero, outbox en SQLite", "en": "Tablero, outbox in SQLite"},
    "guide": {"es": "bucle de la guía", "en": "the guide's loop"},
    "http_hook": {"es": "bucle con HttpHook.run", "en": "HttpHook.run in a loop"},
    "dlt_destination": {"es": "dlt 1.31", "en": "dlt 1.31"},
    "dlt_arrow": {"es": "dlt 1.31, ConnectorX", "en": "dlt 1.31, ConnectorX"},
    "drt_rest": {"es": "drt 1.2", "en": "drt 1.2"},
}
_HEADS = {
    "es": ("latencia", "", "filas/s", "Tablero es", "techo", "CPU por fila", "del bucle", "memoria", "filas", "llamadas"),
    "en": ("latency", "", "rows/s", "Tablero is", "ceiling", "CPU a row", "of the loop", "memory", "rows", "calls"),
}
_ABOUT = {
    "es": "Cambios de estado de un historial de 83 meses; PostgreSQL como fuente y outbox; hasta {rounds} turnos de cada uno,"
    " mediana, de dos el más lento; {machine}. Los que son mucho más lentos, o hacen una llamada a la vez, envían una parte de"
    " las filas. Techo: llamadas en vuelo × filas de un lote ÷ latencia. CPU: del cliente + del servidor de fuente y outbox, en"
    " µs, y en proporción al bucle de la guía. Memoria: sobre el proceso en reposo. Repetir: `make bench`.",
    "en": "Status changes of a history of 83 months; PostgreSQL as source and outbox; up to {rounds} turns of each, median, of"
    " two the slower; {machine}. Those that are much slower, or make one call at a time, send a part of the rows. Ceiling:"
    " calls in flight × rows of a batch ÷ latency. CPU: of the client + of the server of source and outbox, in µs, and in"
    " proportion to the guide's loop. Memory: above the idle process. Repeat: `make bench`.",
}
_OWN_CEILING = {
    "es": "Con {latency:.0f} ms Tablero llega al {share:.0%} del techo de sus propias llamadas, que no todas van llenas.",
    "en": "At {latency:.0f} ms Tablero reaches {share:.0%} of the ceiling of its own calls, not all of which are full.",
}
_SIZE = {
    "es": "El outbox ocupa {size:.0f} bytes por fila en PostgreSQL.",
    "en": "The outbox takes {size:.0f} bytes a row in PostgreSQL.",
}
_SQLITE = {
    "es": "En un archivo SQLite ocupa {size:.0f}, y el ritmo es {share:.0%} del de PostgreSQL.",
    "en": "In an SQLite file it takes {size:.0f}, and the rate is {share:.0%} of PostgreSQL's.",
}
_CHART = {"es": "![Filas por segundo](docs/bench.svg)", "en": "![Rows a second](docs/bench.svg)"}


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
        """The maximum of rows a second that the latency allows; ``None`` without latency."""
        if not self.latency:
            return None
        return (IN_FLIGHT if self.contender in CONCURRENT else 1) * BATCH / self.latency

    @property
    def own_ceiling(self) -> float | None:
        """The same for the calls actually made, whose batches need not be full."""
        return self.ceiling and self.ceiling * self.rows / (self.calls * BATCH)

    def __str__(self) -> str:
        of_its_calls = f" ({self.rate / self.own_ceiling:.2f} of the ceiling of its calls)" if self.own_ceiling else ""
        return (
            f"{self.latency * 1000:.0f} ms {self.contender}: {self.rate:,.0f} rows/s{of_its_calls}, {self.calls} calls,"
            f" CPU {self.client:.1f} + {self.server:.1f} s, {self.peak:.0f} MiB, {self.size / self.rows:.1f} bytes a row"
        )


def table(results: list[Result], language: str) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(_HEADS[language]) + " |", "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    ours, guide = (
        {result.latency: result for result in results if result.contender == contender} for contender in ("tablero", "guide")
    )
    for result in results:
        mine, loop = ours.get(result.latency), guide.get(result.latency)
        cells = (
            f"{result.latency * 1000:.0f} ms",
            NAMES[result.contender][language],
            f"{result.rate:,.0f}",
            f"× {mine.rate / result.rate:.2f}" if mine and mine is not result else "",
            f"{result.ceiling:,.0f}" if result.ceiling else "",
            f"{result.client / result.rows * 1e6:.1f} + {result.server / result.rows * 1e6:.1f}",
            f"× {result.cpu / loop.cpu:.2f}" if loop else "",
            f"{result.peak:.0f} MiB",
            f"{result.rows:,}",
            f"{result.calls:,}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sentences(results: list[Result], language: str) -> str:
    """Sentences that follow from the table, as far as it was measured."""
    ours = [result for result in results if result.contender == "tablero"]
    said = []
    if ours and (own := ours[-1].own_ceiling):
        said.append(_OWN_CEILING[language].format(latency=ours[-1].latency * 1000, share=ours[-1].rate / own))
    if ours:
        said.append(_SIZE[language].format(size=ours[0].size / ours[0].rows))
    for result in results:
        if ours and result.contender == SQLITE:
            said.append(_SQLITE[language].format(size=result.size / result.rows, share=result.rate / ours[0].rate))
    return " ".join(said)


def block(results: list[Result], rounds: Iterable[int], language: str) -> str:
    """The README's text on a benchmark."""
    about = _ABOUT[language].format(rounds=max(rounds), machine=_machine())
    parts = (_CHART[language], table(results, language), sentences(results, language), about)
    return "\n\n".join(part for part in parts if part)


def publish(results: list[Result], rounds: Iterable[int], root: Path) -> None:
    """Put it between the marks in both READMEs."""
    for language, name in (("en", "README.md"), ("es", "README.es.md")):
        path = root / name
        before, _, rest = path.read_text(encoding="utf-8").partition("<!-- bench -->")
        _, _, after = rest.partition("<!-- /bench -->")
        found = block(results, rounds, language)
        path.write_text(f"{before}<!-- bench -->\n{found}\n<!-- /bench -->{after}", encoding="utf-8")


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (match := re.search(r"model name\s*: (.*)", cpuinfo.read_text(encoding="utf-8"))):
        model = match.group(1)
    return f"{os.cpu_count()} CPU {model}, {platform.system()}, Python {platform.python_version()}"
