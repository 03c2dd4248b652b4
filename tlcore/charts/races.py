"""Races: who gained how much, how they learn, and how far borrowed knowledge carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from .frame import CONTROL, FROZEN, INK, figure, shown

RUNNERS = ("#8a63d2", "#d99a26", "#2aa198", "#c2528b", "#6f8f2f", "#4f74d9", "#b5653a", "#7c8794")
"""Who is who in a race, by the competitor's number: nothing else is meant by these."""
TUNED = "#e07b39"
"""What learns on: warm, as everywhere."""
DASHES = ("solid", "dash", "dot", "dashdot")


def runner(competitor: int) -> str:
    """A competitor's colour; beyond as many as there are they come again, dashed."""
    return RUNNERS[competitor % len(RUNNERS)]


def gains(rows: Sequence[Mapping[str, Any]], scratch: str = "from scratch") -> go.Figure:
    """The leaderboard's gains over scratch in points: a dot a seed, the mean with its 95 % interval, the zero line.

    ``rows`` are :func:`tlcore.standings.leaderboard`'s.
    """
    drawn = figure(110 + 44 * max(1, len(rows)), showlegend=False, margin={"l": 8, "r": 16, "t": 28, "b": 8})
    labels = _labels(rows)
    for row, label in zip(rows, labels, strict=True):
        colour, faded = runner(row["competitor"]), 0.45 if row["left"] is not None else 1.0
        own = [one for one in row["members"] if one["gain"] is not None]
        drawn.add_scatter(y=[label] if row["gain"] else [], opacity=faded, **_mean(row["gain"], colour))
        drawn.add_scatter(
            x=[100 * one["gain"] for one in own], y=[label] * len(own), mode="markers", opacity=faded,
            marker={"color": colour, "size": 7, "line": {"width": 1, "color": "#ffffff"}},
            customdata=[[one["seed"], one["accuracy"]] for one in own],
            hovertemplate="seed %{customdata[0]}: %{x:+.1f} points (%{customdata[1]:.1%})<extra></extra>",
        )  # fmt: skip
    drawn.add_vline(
        x=0, line={"color": CONTROL, "width": 2, "dash": "dash"}, annotation_text=scratch, annotation_position="top",
        annotation_font={"color": CONTROL, "size": 12},
    )  # fmt: skip
    drawn.update_xaxes(title="gain over scratch (points)", zeroline=False, fixedrange=True)
    drawn.update_yaxes(
        categoryorder="array", categoryarray=labels, range=[len(rows) - 0.4, -0.6], fixedrange=True, automargin=True
    )
    return drawn


def _mean(gain: Mapping[str, Any] | None, colour: str) -> dict[str, Any]:
    """A diamond at a mean gain, with its interval."""
    mean = 100 * gain["mean"] if gain else 0.0
    low, high = (100 * end for end in gain["interval"]) if gain and gain["interval"] else (mean, mean)
    return {
        "x": [mean] if gain else [], "mode": "markers",
        "marker": {"color": colour, "size": 15, "symbol": "diamond-open", "line": {"width": 2.5}},
        "error_x": {"type": "data", "symmetric": False, "thickness": 2.5, "width": 7, "color": colour,
                    "array": [high - mean], "arrayminus": [mean - low]},
        "hovertemplate": "mean %{x:+.1f} points"
        + (f", 95 % interval {low:+.1f} to {high:+.1f}" if high > low else "") + "<extra></extra>",
    }  # fmt: skip


def _labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names for an axis, broken where they are long."""
    return [escape(row["name"], quote=False).replace(", from ", ",<br>from ") for row in rows]


def race_curves(rows: Sequence[Mapping[str, Any]], epochs: int | None = None) -> go.Figure:
    """Validation accuracy by epoch, one line a competitor: the mean over its finished seeds. A run that stopped early
    stays where it ended. Rows that left are faint."""
    drawn = figure(
        380, uirevision="same", hovermode="x unified", margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )  # fmt: skip
    for row in sorted(rows, key=lambda row: int(row["competitor"])):
        curves = [dict(map(tuple, own["curve"])) for own in row["members"] if own.get("curve")]
        x = sorted({epoch for curve in curves for epoch in curve})
        number = row["competitor"]
        drawn.add_scatter(
            x=x, y=[sum(_at(curve, epoch) for curve in curves) / len(curves) for epoch in x],
            name=escape(row["name"], quote=False), mode="lines" if len(x) > 1 else "markers",
            opacity=0.45 if row["left"] is not None else 1.0,
            line={"color": runner(number), "width": 2.4, "dash": DASHES[number // len(RUNNERS) % len(DASHES)]},
            hovertemplate="%{y:.1%}",
        )  # fmt: skip
    drawn.update_xaxes(title="epoch", showgrid=False, fixedrange=True, range=[0.5, epochs + 0.5] if epochs else None)
    drawn.update_yaxes(title="validation accuracy", tickformat=".0%", fixedrange=True)
    return drawn


def _at(curve: Mapping[int, float], epoch: int) -> float:
    """A curve at an epoch, or at the last one that it has before."""
    return curve[max((own for own in curve if own <= epoch), default=min(curve))]


def depth(found: Mapping[str, Any], most: int, blocks: Sequence[str] = ()) -> go.Figure:
    """A depth sweep: test accuracy by the number of first blocks copied, frozen (cool) and tuned (warm), each with a
    band over seeds; from scratch dashed grey. ``found`` is :func:`tlcore.standings.by_depth`'s; ``most`` is the number
    of ``blocks``, whose names there may be."""
    drawn = figure(
        420, margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )  # fmt: skip
    if (scratch := found["scratch"]) is not None:
        drawn.add_scatter(
            x=[0.5, most + 0.5], y=[scratch] * 2, mode="lines", name="from scratch: nothing copied",
            line={"color": CONTROL, "width": 2, "dash": "dash"}, hovertemplate="%{y:.1%}<extra>from scratch</extra>",
        )  # fmt: skip
    for part, colour, name in (
        ("frozen", FROZEN, "copied and kept frozen"), ("tuned", TUNED, "copied, then learning on")
    ):  # fmt: skip
        points = found[part]
        x = [point["blocks"] for point in points]
        drawn.add_scatter(
            x=[*x, *reversed(x)], y=[*(p["high"] for p in points), *(p["low"] for p in reversed(points))],
            fill="toself", fillcolor=_clear(colour, 0.16), line={"width": 0}, mode="lines", hoverinfo="skip",
            showlegend=False,
        )  # fmt: skip
        drawn.add_scatter(
            x=x, y=[point["accuracy"] for point in points], name=name, mode="lines+markers",
            line={"color": colour, "width": 2.8}, marker={"size": 9},
            customdata=[[point["low"], point["high"], point["seeds"]] for point in points],
            hovertemplate="first %{x} copied: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%}, "
            "%{customdata[2]} seeds)<extra></extra>",
        )  # fmt: skip
    ticks = {"tickvals": [*range(1, most + 1)], "ticktext": _ticks(blocks, most)}
    drawn.update_xaxes(
        title="how many of the first blocks are copied", range=[0.5, most + 0.5], showgrid=False, fixedrange=True,
        tickfont={"color": INK}, **ticks,
    )  # fmt: skip
    drawn.update_yaxes(title="test accuracy", tickformat=".0%", fixedrange=True, minallowed=0, maxallowed=1)
    return drawn


def _ticks(blocks: Sequence[str], most: int) -> list[str]:
    """Numbers, with the name of the last block copied while there is room."""
    named = shown(blocks[:most])
    return [f"{n}<br>{named[n - 1]}" if most <= 8 and n <= len(named) else str(n) for n in range(1, most + 1)]


def _clear(colour: str, opacity: float) -> str:
    """A colour that lets the ground shine through."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
