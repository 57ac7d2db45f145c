"""Chart geometry: positions of bars, lines and ticks. Templates draw them as inline SVG."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

#: Size in SVG user units; the browser scales it.
WIDTH, HEIGHT = 720, 272

_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 44, 56


class Tick(NamedTuple):
    """A value on an axis: its position and its label."""

    at: float
    text: str


class Bar(NamedTuple):
    """A bar with the label and value it represents."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: float


class Line(NamedTuple):
    """A line; its points are in SVG syntax."""

    name: str
    points: str


class Figure(NamedTuple):
    """A chart: bars or lines with the ticks of both axes."""

    bars: list[Bar]
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]

    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def columns(labels: Sequence[str], values: Sequence[float], *, every: int = 1) -> Figure:
    """A chart of vertical bars.

    :param every: label every n-th bar.
    """
    top, ticks = _scale(max(values, default=0), whole=True)
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    bars = []
    for number, (label, value) in enumerate(zip(labels, values, strict=True)):
        height = _span() * value / top
        x = _LEFT + number * step + step * 0.12
        bars.append(Bar(round(x, 1), round(_floor() - height, 1), round(step * 0.76, 1), round(height, 1), label, value))
    across = [
        Tick(round(_LEFT + (number + 0.5) * step, 1), label) for number, label in enumerate(labels) if number % every == 0
    ]
    return Figure(bars, [], across, ticks)


def lines(labels: Sequence[str], series: dict[str, Sequence[float]], *, every: int = 1) -> Figure:
    """A chart of lines with common x values.

    :param series: the values of each line, by name.
    :param every: label every n-th x value.
    """
    top, ticks = _scale(max((value for values in series.values() for value in values), default=0))
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels) - 1)
    drawn = [
        Line(
            name,
            " ".join(
                f"{_LEFT + number * step:.1f},{_floor() - _span() * value / top:.1f}" for number, value in enumerate(values)
            ),
        )
        for name, values in series.items()
    ]
    across = [Tick(round(_LEFT + number * step, 1), label) for number, label in enumerate(labels) if number % every == 0]
    return Figure([], drawn, across, ticks)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank).

    :param ordered: ascending, not empty.
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _scale(highest: float, *, whole: bool = False) -> tuple[float, list[Tick]]:
    """The value at the top of the axis, and ticks at round values; with ``whole`` at whole numbers."""
    if whole:
        highest = math.ceil(highest)
    if highest <= sys.float_info.min:  # below it, a step has no logarithm, or is zero
        return 1.0, [Tick(_floor(), "0")]
    magnitude = 10.0 ** math.floor(math.log10(highest / 4))
    steps = (magnitude * factor for factor in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step * 4 >= highest and (step.is_integer() or not whole))
    count = math.ceil(highest / step)
    top = step * count
    return top, [Tick(round(_floor() - _span() * number / count, 1), _short(step * number)) for number in range(count + 1)]


def _short(value: float) -> str:
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


def _span() -> float:
    return HEIGHT - _TOP - _BOTTOM


def _floor() -> float:
    return float(HEIGHT - _BOTTOM)
