"""The chart of a benchmark."""

from __future__ import annotations

from xml.sax.saxutils import escape

from bench.report import NAMES, Result

_COLOURS = {
    "tablero": "#0b5cad",
    "tablero_sqlite": "#54a0e6",
    "guide": "#9a6700",
    "http_hook": "#6e7781",
    "dlt_destination": "#8250df",
    "dlt_arrow": "#6639ba",
    "drt_rest": "#bc4c00",
}


def chart(results: list[Result]) -> str:
    """Bars of rows a second, by latency, as SVG; readable on light and dark pages."""
    most = max(result.rate for result in results)
    lines, top, before = [], 10, None
    for result in results:
        if result.latency != before:
            before, top = result.latency, top + 26
            lines.append(f'<text x="10" y="{top - 6}" font-weight="bold">{result.latency * 1000:.0f} ms</text>')
        width = 470 * result.rate / most
        name = escape(NAMES[result.contender]["en"])
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
