"""A plan before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from math import log10

import plotly.graph_objects as go

from ..networks import Block
from ..strategies import Phase, Plan
from ..words import epochs
from .frame import FROZEN, INK, NEW_HEAD, figure, shown

WARM = ((0.0, (247, 205, 150)), (0.5, (240, 150, 70)), (1.0, (205, 80, 20)))
"""Learning blocks, from a low to a high learning rate."""


def warm(learning_rate: float, highest: float) -> str:
    """The colour of a learning block: full at the plan's highest rate, pale three decades below it."""
    share = max(0.0, min(1.0, 1 + log10(learning_rate / highest) / 1.5))
    for (low, first), (high, last) in pairwise(WARM):
        if share <= high:
            mix = (share - low) / (high - low)
            red, green, blue = (round(a + (b - a) * mix) for a, b in zip(first, last, strict=True))
            return f"rgb({red},{green},{blue})"
    raise AssertionError("a share lies between 0 and 1")


def plan(phases: Plan, blocks: Sequence[Block], new: Collection[str] = ()) -> go.Figure:
    """A plan before anything runs: blocks as rows (input below), epochs as columns, what learns warm, the rest cool.

    ``new`` names the blocks that begin from random weights; the rest is borrowed.
    """
    drawn = figure(56 + (34 if len(blocks) <= 12 else 26) * len(blocks), barmode="overlay", bargap=0.12)
    highest = _highest(phases)
    names, start = [block.name for block in blocks], 0
    for phase in phases:
        rates = phase.rates()
        colours = {name: _ground(phase, name, names[-1], highest) for name in names}
        drawn.add_bar(
            orientation="h", y=names, x=[phase.epochs] * len(blocks), base=start,
            marker={
                "color": [colours[name] for name in names],
                "line": {"width": 1, "color": "rgba(255,255,255,.55)"},
            },
            text=[_label(phase, name, names[-1]) for name in names],
            textposition="inside", insidetextanchor="middle", textangle=0, constraintext="inside",
            textfont={"color": ["#0c2d4d" if colours[name] == FROZEN else "#2b1200" for name in names]},
            customdata=[
                [phase.name, _said(phase, block.name, names[-1]), block.parameters] for block in blocks
            ],
            hovertemplate="%{y}: %{customdata[1]}<br>phase “%{customdata[0]}”<br>%{customdata[2]:,} parameters"
            "<extra></extra>",
            showlegend=False,
        )  # fmt: skip
        for row, name in enumerate(names):
            if _in_part(phase, name, names[-1]):  # few of its numbers learn: a narrow stripe
                drawn.add_shape(
                    type="rect", x0=start, x1=start + phase.epochs / 10, y0=row - 0.44, y1=row + 0.44,
                    line={"width": 0}, fillcolor=warm(rates[name], highest),
                )  # fmt: skip
        if start:
            drawn.add_vline(x=start, line={"color": INK, "width": 1, "dash": "dot"})
        start += phase.epochs
    for first, last in _stretches(names, new):
        drawn.add_shape(
            type="rect", x0=0, x1=start, y0=first - 0.46, y1=last + 0.46, line={"color": NEW_HEAD, "width": 3}
        )
    drawn.update_xaxes(title="epoch", range=[0, start], showgrid=False, zeroline=False, fixedrange=True)
    drawn.update_yaxes(
        tickvals=names, ticktext=shown([f"{name} · new" if name in new else name for name in names]),
        showgrid=False, fixedrange=True, automargin=True,
    )  # fmt: skip
    return drawn


def thumbnail(phases: Plan, names: Sequence[str], new: Collection[str] = (), width: int = 72, height: int = 54) -> str:
    """The same as a small SVG, without words: one column a phase, one row a block."""
    whole, highest = sum(phase.epochs for phase in phases) or 1, _highest(phases)
    row, x, parts = (height - 3) / len(names), 1.5, list[str]()
    for phase in phases:
        rates, wide = phase.rates(), (width - 3) * phase.epochs / whole
        for number, name in enumerate(reversed(names)):
            parts.append(
                f'<rect x="{x:.1f}" y="{1.5 + number * row:.1f}" width="{max(wide - 0.8, 0.4):.1f}" '
                f'height="{max(row - 0.8, 0.4):.1f}" fill="{_ground(phase, name, names[-1], highest)}"/>'
            )
            if _in_part(phase, name, names[-1]):
                parts.append(
                    f'<rect class="part" x="{x:.1f}" y="{1.5 + number * row:.1f}" width="{wide / 6:.1f}" '
                    f'height="{max(row - 0.8, 0.4):.1f}" fill="{warm(rates[name], highest)}"/>'
                )
        x += wide
    for first, last in _stretches(names, new):
        parts.append(
            f'<rect x="1" y="{1 + (len(names) - 1 - last) * row:.1f}" width="{width - 2}" '
            f'height="{(last - first + 1) * row:.1f}" fill="none" stroke="{NEW_HEAD}" stroke-width="2"/>'
        )
    inside = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{inside}</svg>'
    )


def _highest(phases: Plan) -> float:
    return max((rate for phase in phases for rate in phase.rates().values()), default=1.0)


def _in_part(phase: Phase, name: str, head: str) -> bool:
    """Whether a block learns, but only a few of its numbers."""
    return name in phase.learning and phase.only != "weights" and name != head


def _ground(phase: Phase, name: str, head: str, highest: float) -> str:
    """The colour of most of a cell."""
    frozen = name not in phase.learning or _in_part(phase, name, head)
    return FROZEN if frozen else warm(phase.rates()[name], highest)


_ONLY = {"weights": "", "biases": "biases ", "norms": "norms ", "adapters": "adapters "}


def _label(phase: Phase, name: str, head: str) -> str:
    rates = phase.rates()
    return f"{'' if name == head else _ONLY[phase.only]}{rates[name]:.2g}" if name in rates else "frozen"


def _said(phase: Phase, name: str, head: str) -> str:
    if name not in phase.learning:
        return "frozen"
    what = "" if name == head or phase.only == "weights" else f"its {phase.only} "
    how = "" if phase.schedule == "constant" else f", {phase.schedule}"
    warm_up = f", rising for {epochs(phase.warm_up)}" if phase.warm_up else ""
    return f"{what}learning at {phase.rates()[name]:.2g}{how}{warm_up}"


def _stretches(names: Sequence[str], new: Collection[str]) -> list[tuple[int, int]]:
    """The first and the last position of each row of new blocks."""
    at = [number for number, name in enumerate(names) if name in new]
    starts = [number for number in at if number - 1 not in at]
    ends = [number for number in at if number + 1 not in at]
    return [*zip(starts, ends, strict=True)]
