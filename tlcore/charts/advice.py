"""How well a person's classes can be told apart, by how deep one looks into each source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from .frame import ACCENT, CONTROL, figure

OTHERS = ("#d99a26", "#2aa198", "#c2528b", "#6f8f2f", "#4f74d9", "#b5653a")
"""Of sources that are not recommended; nothing else is meant by these."""


def probe_curves(
    rows: Sequence[Mapping[str, Any]], baselines: Sequence[tuple[str, float]], first: str | None = None
) -> go.Figure:
    """The probe's accuracy by depth, one line a source with a band of two standard errors; baselines dashed grey.

    ``rows`` are the ``sources`` of :func:`tlcore.engine.advising.advise`; ``first`` names the one in the accent.
    Sources of different depth share the axis from the input to the last block.
    """
    drawn = figure(
        420, margin={"l": 8, "r": 28, "t": 8, "b": 8}, hovermode="closest",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    spare = iter(OTHERS * (1 + len(rows) // len(OTHERS)))
    colours = {row["source"]: ACCENT if row["source"] == first else next(spare) for row in rows}
    for row in sorted(rows, key=lambda row: bool(row["source"] != first)):
        _line(drawn, row, colours[row["source"]])
    for (name, accuracy), dash in zip(baselines, ("dash", "dot", "dashdot"), strict=False):
        drawn.add_scatter(
            x=[0, 1.04], y=[accuracy, accuracy], mode="lines", name=escape(name, quote=False),
            line={"color": CONTROL, "width": 1.8, "dash": dash},
            hovertemplate=f"{escape(name)}: {accuracy:.0%}<extra></extra>",
        )  # fmt: skip
    drawn.update_xaxes(range=[0, 1.04], showgrid=False, zeroline=False, fixedrange=True, **_ticks(rows))
    drawn.update_yaxes(
        title="classes told apart", range=[0, 1.02], tickformat=".0%", fixedrange=True, nticks=6, zeroline=False
    )
    return drawn


def _line(drawn: go.Figure, row: Mapping[str, Any], colour: str) -> None:
    cuts, name = row["cuts"], escape(row["title"], quote=False)
    depths = [cut["below"] / len(row["blocks"]) for cut in cuts]
    spread = [2 * (cut["error"] or 0.0) for cut in cuts]
    low, high = (
        [min(1.0, max(0.0, cut["accuracy"] + sign * own)) for cut, own in zip(cuts, spread, strict=True)]
        for sign in (-1, 1)
    )
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    drawn.add_scatter(
        x=[*depths, *depths[::-1]], y=[*high, *low[::-1]], fill="toself", mode="lines", line={"width": 0},
        fillcolor=f"rgba({red},{green},{blue},0.16)", hoverinfo="skip", showlegend=False, legendgroup=row["source"],
    )  # fmt: skip
    drawn.add_scatter(
        x=depths, y=[cut["accuracy"] for cut in cuts], mode="lines+markers", name=name, legendgroup=row["source"],
        line={"color": colour, "width": 2.6}, marker={"size": 8},
        customdata=[[escape(cut["block"]), cut["below"], len(row["blocks"])] for cut in cuts],
        hovertemplate="behind %{customdata[0]} (%{customdata[1]} of %{customdata[2]} blocks): %{y:.1%}"
        f"<extra>{name}</extra>",
    )  # fmt: skip


def _ticks(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Names of blocks where all sources have the same, else words for how deep it is."""
    if len({tuple(row["blocks"]) for row in rows}) == 1 and rows:
        cuts, of = rows[0]["cuts"], len(rows[0]["blocks"])
        return {
            "title": "behind which block one looks", "tickvals": [0, *(cut["below"] / of for cut in cuts)],
            "ticktext": ["input", *(escape(cut["block"], quote=False) for cut in cuts)],
        }  # fmt: skip
    return {
        "title": "how deep in the network one looks", "tickvals": [0.02, 0.5, 1.0],
        "ticktext": ["input", "halfway", "last block"],
    }  # fmt: skip
