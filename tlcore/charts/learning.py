"""How a run learns, live and afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..events import SCRATCH, TRANSFER, Story
from .frame import ACCENT, CONTROL, INK, layout

MOST_POINTS = 1000


def learning_curves(story: Story) -> go.Figure:
    """Loss and accuracy by epoch: training thin, validation thick; the transfer in the accent, the control dashed grey.

    The traces and their order never change, so that a live figure keeps its zoom. It is drawn every second, and so
    made in one go: adding traces and shapes one by one takes Plotly eight times as long.
    """
    bands, names = _phase_bands(story)
    last = max((sum(phase["epochs"] for phase in phases) for phases in story.arms.values()), default=None)
    across = {"title": {"text": "epoch"}, "showgrid": False, "range": [0.5, last + 0.5] if last else None}
    if not last:  # nothing is known yet, and Plotly would begin at -1
        across |= {"range": [0.5, 10.5], "showticklabels": False}
    titles = [
        {"text": text, "x": x, "y": 1.0, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom",
         "showarrow": False, "font": {"size": 15}}
        for text, x in (("Accuracy", 0.2325), ("Loss", 0.7675))
    ]  # fmt: skip
    return go.Figure(
        data=[trace for arm in (TRANSFER, SCRATCH) for trace in _arm_curves(story, arm)],
        layout=layout(
            400, margin={"l": 8, "r": 8, "t": 56, "b": 8}, uirevision="same", hovermode="x unified",
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.1, "x": 0},
            xaxis={**across, "domain": [0, 0.465], "anchor": "y"},
            xaxis2={**across, "domain": [0.535, 1], "anchor": "y2"},
            yaxis={"range": [0, 1.02], "tickformat": ".0%", "anchor": "x"},
            yaxis2={"rangemode": "tozero", "anchor": "x2", "showticklabels": bool(story.epochs)},
            shapes=bands, annotations=titles + names,
        ),
    )  # fmt: skip


def _arm_curves(story: Story, arm: str) -> list[dict[str, Any]]:
    """Training accuracy and loss, then validation accuracy and loss."""
    rows = _thinned([epoch for epoch in story.epochs if epoch["arm"] == arm])
    epochs = np.array([row["epoch"] + 1 for row in rows])
    colour, name = (ACCENT, "transfer, ") if arm == TRANSFER else (CONTROL, "from scratch, ")
    if arm == SCRATCH and story.arms and TRANSFER not in story.arms:
        name = ""  # nothing to tell it from
    dash = "dash" if arm == SCRATCH and TRANSFER in story.arms else "solid"
    return [
        {
            "type": "scatter", "x": epochs, "y": np.array([row.get(prefix + measure) for row in rows], float),
            "xaxis": f"x{axis}", "yaxis": f"y{axis}", "mode": "lines+markers" if len(rows) < 3 else "lines",
            "name": f"{name}{part}", "legendgroup": f"{arm} {part}",
            "showlegend": not axis and (bool(rows) or arm in story.arms),
            "line": {"color": colour, "width": 2.6 if prefix else 1.2, "dash": dash if prefix else "dot"},
            "opacity": 1.0 if prefix else 0.75,
            "hovertemplate": "epoch %{x}: %{y:.3f}<extra>" + f"{name}{part}</extra>",
        }
        for part, prefix in (("training", ""), ("validation", "val_"))
        for axis, measure in (("", "accuracy"), ("2", "loss"))
    ]  # fmt: skip


def _phase_bands(story: Story) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The main arm's phases: every other one shaded, and each one's name where there is more than one."""
    phases = next(iter(story.arms.values()), [])
    start, bands, names = 0.5, list[dict[str, Any]](), list[dict[str, Any]]()
    for number, phase in enumerate(phases):
        for axis in ("", "2"):
            place = {"xref": f"x{axis}", "yref": f"y{axis} domain"}
            if number % 2:
                bands.append(
                    {**place, "type": "rect", "x0": start, "x1": start + phase["epochs"], "y0": 0, "y1": 1,
                     "line": {"width": 0}, "layer": "below", "fillcolor": INK, "opacity": 0.1}
                )  # fmt: skip
            if len(phases) > 1:
                names.append(
                    {**place, "text": phase["name"], "x": start, "y": 0, "xanchor": "left", "yanchor": "bottom",
                     "showarrow": False, "font": {"size": 11, "color": INK}}
                )  # fmt: skip
        start += phase["epochs"]
    return bands, names


def _thinned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most about MOST_POINTS of them, the last one always among them."""
    step = -(-len(rows) // MOST_POINTS) or 1
    return rows[(len(rows) - 1) % step :: step] if rows else rows
