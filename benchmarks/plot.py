"""A bar chart as SVG text, readable on light and dark pages; the axis is logarithmic, each tick ten times the last.

Bars that are twice as long are not twice as much: so each says its number. Bars of one group stand together under its
name.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, LINE, BAR = 760, 210, 70, 40, 24, 16
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 14px; font-weight: 600 }
  .name { text-anchor: end }
  .group { text-anchor: end; font-weight: 600 }
  .tick { text-anchor: middle; fill: #57606a }
  line { stroke: #8c959f; stroke-opacity: .35 }
  .ours { fill: #0969da } .peer { fill: #bf8700 } .limit { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .tick { fill: #9198a1 }
    .ours { fill: #4493f8 } .peer { fill: #d29922 } .limit { fill: #6e7681 }
  }
"""

Kind = Literal["ours", "peer", "limit"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `kind` gives the colour."""

    group: str
    name: str
    value: float
    kind: Kind


def bars(title: str, shown: Sequence[Bar]) -> str:
    """The picture; values are above 0, the bars of a group one after the other."""
    low, high = axis([bar.value for bar in shown])
    groups = list(dict.fromkeys(bar.group for bar in shown))
    height = TOP + LINE * (len(shown) + len(groups)) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        *(_tick(10.0**power, _at(10.0**power, low, high), height) for power in range(low, high + 1)),
        *(line for number, name in enumerate(groups) for line in _group(name, number, shown, (low, high))),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def axis(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten at both ends; no bar is without length."""
    low = math.ceil(math.log10(min(values))) - 1
    return low, max(math.ceil(math.log10(max(values))), low + 1)


def _group(name: str, number: int, shown: Sequence[Bar], ends: tuple[int, int]) -> Iterator[str]:
    """Its name and its bars, below those of the groups before it."""
    of = [bar for bar in shown if bar.group == name]
    first = number + next(at for at, bar in enumerate(shown) if bar.group == name)
    yield f'<text class="group" x="{LEFT - 8}" y="{TOP + LINE * first + BAR - 2}">{escape(name)}</text>'
    for at, bar in enumerate(of, start=first + 1):
        yield _bar(bar, TOP + LINE * at, _at(bar.value, *ends))


def _at(value: float, low: int, high: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(value) - low) / (high - low)


def _tick(value: float, x: float, height: int) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 26}"/>'
        f'<text class="tick" x="{x:.1f}" y="{height - 10}">{value:,.0f}</text>'
    )


def _bar(bar: Bar, y: int, end: float) -> str:
    middle = y + BAR - 4
    return (
        f'<text class="name" x="{LEFT - 8}" y="{middle}">{escape(bar.name)}</text>'
        f'<rect class="{bar.kind}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>'
        f'<text x="{end + 6:.1f}" y="{middle}">{bar.value:,.0f}</text>'
    )
