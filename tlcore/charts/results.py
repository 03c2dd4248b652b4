"""What came of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from .frame import ACCENT, CONTROL, INK, NEW_HEAD, figure, shown

FATES = {"copied": ACCENT, "adapted": "#b9a3e6", "new": NEW_HEAD, "unused": CONTROL}


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> go.Figure:
    """Truth in rows, answers in columns; shaded by the share of the row."""
    shares = [[value / max(1, sum(row)) for value in row] for row in matrix]
    drawn = figure(max(380, min(680, 90 + 30 * len(classes))))
    drawn.add_heatmap(
        z=shares, x=shown(classes), y=shown(classes), zmin=0, zmax=1, xgap=1, ygap=1,
        colorscale=[[0, "rgba(138,99,210,0.06)"], [1, ACCENT]], showscale=False, customdata=matrix,
        hovertemplate="is %{y}, answered %{x}: %{customdata} (%{z:.0%} of the row)<extra></extra>",
    )  # fmt: skip
    if len(classes) <= 15:
        cells = [(x, y) for y in range(len(classes)) for x in range(len(classes)) if matrix[y][x]]
        drawn.add_scatter(
            x=[classes[x] for x, _ in cells], y=[classes[y] for _, y in cells], mode="text", hoverinfo="skip",
            text=[str(matrix[y][x]) for x, y in cells], showlegend=False,
            # Plotly's own choice of ink ignores that pale cells let a dark page shine through.
            textfont={"color": ["#ffffff" if shares[y][x] > 0.45 else INK for x, y in cells]},
        )  # fmt: skip
    drawn.update_xaxes(title="answer", type="category", side="bottom", showgrid=False, fixedrange=True)
    drawn.update_yaxes(title="truth", type="category", autorange="reversed", showgrid=False, fixedrange=True)
    return drawn


def comparison(rows: Sequence[tuple[str, float, float, float, bool]]) -> go.Figure:
    """Accuracies with their intervals, one row each: name, value, low, high, and whether it is a control."""
    drawn = figure(70 + 34 * len(rows))
    for name, value, low, high, control in rows:
        drawn.add_scatter(
            x=[value], y=[name], mode="markers", showlegend=False,
            error_x={"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low],
                     "thickness": 2, "width": 5},
            marker={"color": CONTROL if control else ACCENT, "size": 11,
                    "symbol": "circle-open" if control else "circle", "line": {"width": 2}},
            hovertemplate=f"{name}: {value:.1%} ({low:.1%} to {high:.1%})<extra></extra>",
        )  # fmt: skip
    drawn.update_xaxes(title="test accuracy, 95 % interval", tickformat=".0%", fixedrange=True)
    drawn.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    return drawn


def receipt(totals: Mapping[str, Any]) -> go.Figure:
    """What became of a network's blocks, as shares of each one's parameters, input below; and on top what share of
    the source stayed unused. In parameters the small blocks, the first and the head, would hardly be seen."""
    rows = [row for row in totals["rows"] if row["fate"] != "unused"]
    sizes = dict.fromkeys((row["block"] for row in rows), 0)
    for row in rows:
        sizes[row["block"]] += row["parameters"]
    labels = {block: f"{escape(block)} · {size:,}" for block, size in sizes.items()}
    unused, rest = totals["unused"], f"not used · {totals['unused']['parameters']:,}"
    bars = [*labels.values()] + ([rest] if unused["tensors"] else [])
    drawn = figure(
        96 + (30 if len(bars) <= 10 else 23) * len(bars), barmode="stack", margin={"l": 8, "r": 28, "t": 40, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    for fate in ("copied", "adapted", "new"):
        own = {block: [r for r in rows if (r["block"], r["fate"]) == (block, fate)] for block in sizes}
        own = {block: there for block, there in own.items() if there}
        if own:
            counts = [sum(row["parameters"] for row in there) for there in own.values()]
            drawn.add_bar(
                orientation="h", y=[labels[block] for block in own], name=fate, marker={"color": FATES[fate]},
                x=[size / max(1, sizes[block]) for block, size in zip(own, counts, strict=True)],
                customdata=[[block, size, _hows(own[block])] for block, size in zip(own, counts, strict=True)],
                hovertemplate="%{customdata[0]}: %{customdata[1]:,} parameters " + fate + "%{customdata[2]}"
                "<extra></extra>",
            )  # fmt: skip
    if unused["tensors"]:
        drawn.add_bar(
            orientation="h", y=[rest], x=[unused["share"]], name="unused", marker={"color": FATES["unused"]},
            hovertemplate=f"{unused['parameters']:,} of the source's parameters (%{{x:.0%}}) were not used"
            "<extra></extra>",
        )  # fmt: skip
    drawn.update_xaxes(title="share of parameters", tickformat=".0%", range=[0, 1], fixedrange=True)
    drawn.update_yaxes(categoryorder="array", categoryarray=bars, fixedrange=True, automargin=True)
    return drawn


def _hows(rows: Sequence[Mapping[str, Any]]) -> str:
    """How, or why, in a line for each of the first three reasons."""
    hows = list(dict.fromkeys(row["how"] for row in rows if row.get("how")))
    said = [escape(how, quote=False) for how in hows[:3]] + ["…"] * (len(hows) > 3)
    return "".join(f"<br>{how}" for how in said)
