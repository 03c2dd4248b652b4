"""What there is to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from .frame import ACCENT, figure, shown

PARTS = {"train": ACCENT, "validation": "#b9a3e6", "test": "#5b4a86", "unused": "#c9c6d0"}


def parts(sizes: Mapping[str, int]) -> go.Figure:
    """How a dataset is divided, as one bar."""
    drawn = figure(
        124, barmode="stack", margin={"l": 0, "r": 0, "t": 0, "b": 70},
        legend={"orientation": "h", "yanchor": "top", "y": -0.12, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    for name, size in sizes.items():
        drawn.add_bar(
            orientation="h", y=[""], x=[size], name=f"{name} {size:,}", marker={"color": PARTS[name]},
            hovertemplate=f"{name}: {size:,}<extra></extra>",
        )  # fmt: skip
    drawn.update_xaxes(visible=False, fixedrange=True)
    drawn.update_yaxes(visible=False, fixedrange=True)
    return drawn


def class_counts(counts: Sequence[int], classes: Sequence[str]) -> go.Figure:
    """Examples a class."""
    drawn = figure(190)
    drawn.add_bar(
        x=shown(classes), y=list(counts), marker={"color": ACCENT}, hovertemplate="%{x}: %{y:,}<extra></extra>"
    )
    drawn.update_xaxes(type="category", showgrid=False, fixedrange=True)
    drawn.update_yaxes(title="examples", fixedrange=True, nticks=4)
    return drawn


def class_sizes(classes: Sequence[str], parts: Mapping[str, Sequence[int]]) -> go.Figure:
    """Examples a class, by part where there are several; lying bars while there is room for a class's whole name."""
    lying = len(classes) <= 20
    names = [escape(name if len(name) <= 28 else f"{name[:27]}…", quote=False) for name in classes]
    places = list(range(len(classes)))  # two names that are shortened alike stay two bars
    drawn = figure(
        (70 if len(parts) > 1 else 40) + (30 * len(classes) if lying else 220), barmode="stack",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    colours = (PARTS["train"], PARTS["validation"], PARTS["test"])
    order = ("for learning", "for validation", "for the test")
    for name, counts in parts.items():
        drawn.add_bar(
            orientation="h" if lying else "v", x=list(counts) if lying else places, y=places if lying else list(counts),
            name=name, marker={"color": colours[order.index(name)]}, customdata=names,
            text=[f"{count:,}" for count in counts] if lying and len(parts) == 1 else None,
            textposition="auto", showlegend=len(parts) > 1,
            hovertemplate="%{customdata}: %{" + ("x" if lying else "y") + f":,}} {name}<extra></extra>",
        )  # fmt: skip
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "fixedrange": True, "automargin": True}
    amounts = {"fixedrange": True, "nticks": 5, "rangemode": "tozero"}
    drawn.update_yaxes(**({**ticks, "autorange": "reversed"} if lying else amounts))
    drawn.update_xaxes(**(amounts if lying else ticks))
    return drawn
