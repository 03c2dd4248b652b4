"""Figures (Plotly) from plans, events and numbers. One meaning a colour, on light and dark grounds alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .events import SCRATCH, TRANSFER, Story
from .networks import Block
from .strategies import Plan

ACCENT, CONTROL, FROZEN, NEW_HEAD = "#8a63d2", "#8b8794", "#6ea8dc", "#2f9e6e"
WARM = ((0.0, (247, 205, 150)), (0.5, (240, 150, 70)), (1.0, (205, 80, 20)))
"""Learning blocks, from a low to a high learning rate."""
PARTS = {"train": ACCENT, "validation": "#b9a3e6", "test": "#5b4a86", "unused": "#c9c6d0"}
FATES = {"copied": ACCENT, "adapted": "#b9a3e6", "new": NEW_HEAD, "unused": CONTROL}
MOST_POINTS = 1000
_INK = "#8b8794"
"""For lines and marks inside a figure: reads on both grounds."""


def _figure(height: int, **layout: Any) -> go.Figure:
    return go.Figure(layout=_layout(height, **layout))


def _layout(height: int, **layout: Any) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "bargap": 0.18, "font": {"size": 13}, "dragmode": False, **layout,
    }  # fmt: skip


def warm(learning_rate: float, highest: float) -> str:
    """The colour of a learning block: full at the plan's highest rate, pale three decades below it."""
    share = max(0.0, min(1.0, 1 + log10(learning_rate / highest) / 1.5))
    for (low, first), (high, last) in pairwise(WARM):
        if share <= high:
            mix = (share - low) / (high - low)
            red, green, blue = (round(a + (b - a) * mix) for a, b in zip(first, last, strict=True))
            return f"rgb({red},{green},{blue})"
    raise AssertionError("a share lies between 0 and 1")


def plan(phases: Plan, blocks: Sequence[Block], new_head: bool = True) -> go.Figure:
    """A plan before anything runs: blocks as rows (input below), epochs as columns, what learns warm, the rest cool."""
    figure = _figure(56 + 34 * len(blocks), barmode="overlay", bargap=0.12)
    highest = max(phase.learning_rate for phase in phases)
    start = 0
    for phase in phases:
        learns = [block.name in phase.learning for block in blocks]
        figure.add_bar(
            orientation="h", y=[block.name for block in blocks], x=[phase.epochs] * len(blocks), base=start,
            marker={
                "color": [warm(phase.learning_rate, highest) if own else FROZEN for own in learns],
                "line": {"width": 1, "color": "rgba(255,255,255,.55)"},
            },
            text=[f"{phase.learning_rate:.2g}" if own else "frozen" for own in learns],
            textposition="inside", insidetextanchor="middle", textangle=0, constraintext="inside",
            textfont={"color": ["#2b1200" if own else "#0c2d4d" for own in learns]},
            customdata=[
                [phase.name, f"learning at {phase.learning_rate:.2g}" if own else "frozen", block.parameters]
                for own, block in zip(learns, blocks, strict=True)
            ],
            hovertemplate="%{y}: %{customdata[1]}<br>phase “%{customdata[0]}”<br>%{customdata[2]:,} parameters"
            "<extra></extra>",
            showlegend=False,
        )  # fmt: skip
        if start:
            figure.add_vline(x=start, line={"color": _INK, "width": 1, "dash": "dot"})
        start += phase.epochs
    if new_head:
        figure.add_shape(
            type="rect", x0=0, x1=start, y0=len(blocks) - 1.46, y1=len(blocks) - 0.54,
            line={"color": NEW_HEAD, "width": 3},
        )  # fmt: skip
    labels = [f"{b.name} · new" if new_head and b is blocks[-1] else b.name for b in blocks]
    figure.update_xaxes(title="epoch", range=[0, start], showgrid=False, zeroline=False, fixedrange=True)
    figure.update_yaxes(
        tickvals=[block.name for block in blocks], ticktext=labels, showgrid=False, fixedrange=True, automargin=True
    )
    return figure


def learning_curves(story: Story) -> go.Figure:
    """Loss and accuracy by epoch: training thin, validation thick; the transfer in the accent, the control dashed grey.

    The traces and their order never change, so that a live figure keeps its zoom. It is drawn every second, and so
    made in one go: adding traces and shapes one by one takes Plotly eight times as long.
    """
    bands, names = _phase_bands(story)
    last = max((sum(phase["epochs"] for phase in phases) for phases in story.arms.values()), default=None)
    across = {"title": {"text": "epoch"}, "showgrid": False, "range": [0.5, last + 0.5] if last else None}
    titles = [
        {"text": text, "x": x, "y": 1.0, "xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom",
         "showarrow": False, "font": {"size": 15}}
        for text, x in (("Accuracy", 0.2325), ("Loss", 0.7675))
    ]  # fmt: skip
    return go.Figure(
        data=[trace for arm in (TRANSFER, SCRATCH) for trace in _arm_curves(story, arm)],
        layout=_layout(
            400, margin={"l": 8, "r": 8, "t": 56, "b": 8}, uirevision="same", hovermode="x unified",
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.1, "x": 0},
            xaxis={**across, "domain": [0, 0.465], "anchor": "y"},
            xaxis2={**across, "domain": [0.535, 1], "anchor": "y2"},
            yaxis={"range": [0, 1.02], "tickformat": ".0%", "anchor": "x"},
            yaxis2={"rangemode": "tozero", "anchor": "x2"}, shapes=bands, annotations=titles + names,
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
                     "line": {"width": 0}, "layer": "below", "fillcolor": _INK, "opacity": 0.1}
                )  # fmt: skip
            if len(phases) > 1:
                names.append(
                    {**place, "text": phase["name"], "x": start, "y": 0, "xanchor": "left", "yanchor": "bottom",
                     "showarrow": False, "font": {"size": 11, "color": _INK}}
                )  # fmt: skip
        start += phase["epochs"]
    return bands, names


def _thinned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most about MOST_POINTS of them, the last one always among them."""
    step = -(-len(rows) // MOST_POINTS) or 1
    return rows[(len(rows) - 1) % step :: step] if rows else rows


def parts(sizes: Mapping[str, int]) -> go.Figure:
    """How a dataset is divided, as one bar."""
    figure = _figure(
        124, barmode="stack", margin={"l": 0, "r": 0, "t": 0, "b": 70},
        legend={"orientation": "h", "yanchor": "top", "y": -0.12, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    for name, size in sizes.items():
        figure.add_bar(
            orientation="h", y=[""], x=[size], name=f"{name} {size:,}", marker={"color": PARTS[name]},
            hovertemplate=f"{name}: {size:,}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True)
    return figure


def class_counts(counts: Sequence[int], classes: Sequence[str]) -> go.Figure:
    """Examples a class."""
    figure = _figure(190)
    figure.add_bar(
        x=_shown(classes), y=list(counts), marker={"color": ACCENT}, hovertemplate="%{x}: %{y:,}<extra></extra>"
    )
    figure.update_xaxes(type="category", showgrid=False, fixedrange=True)
    figure.update_yaxes(title="examples", fixedrange=True, nticks=4)
    return figure


def _shown(names: Sequence[str]) -> list[str]:
    """Names that somebody typed, so that Plotly shows them as they are."""
    return [escape(name, quote=False) for name in names]


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> go.Figure:
    """Truth in rows, answers in columns; shaded by the share of the row."""
    shares = [[value / max(1, sum(row)) for value in row] for row in matrix]
    figure = _figure(max(380, min(680, 90 + 30 * len(classes))))
    figure.add_heatmap(
        z=shares, x=_shown(classes), y=_shown(classes), zmin=0, zmax=1, xgap=1, ygap=1,
        colorscale=[[0, "rgba(138,99,210,0.06)"], [1, ACCENT]], showscale=False, customdata=matrix,
        hovertemplate="is %{y}, answered %{x}: %{customdata} (%{z:.0%} of the row)<extra></extra>",
    )  # fmt: skip
    if len(classes) <= 15:
        cells = [(x, y) for y in range(len(classes)) for x in range(len(classes)) if matrix[y][x]]
        figure.add_scatter(
            x=[classes[x] for x, _ in cells], y=[classes[y] for _, y in cells], mode="text", hoverinfo="skip",
            text=[str(matrix[y][x]) for x, y in cells], showlegend=False,
            # Plotly's own choice of ink ignores that pale cells let a dark page shine through.
            textfont={"color": ["#ffffff" if shares[y][x] > 0.45 else _INK for x, y in cells]},
        )  # fmt: skip
    figure.update_xaxes(title="answer", type="category", side="bottom", showgrid=False, fixedrange=True)
    figure.update_yaxes(title="truth", type="category", autorange="reversed", showgrid=False, fixedrange=True)
    return figure


def comparison(rows: Sequence[tuple[str, float, float, float, bool]]) -> go.Figure:
    """Accuracies with their intervals, one row each: name, value, low, high, and whether it is a control."""
    figure = _figure(70 + 34 * len(rows))
    for name, value, low, high, control in rows:
        figure.add_scatter(
            x=[value], y=[name], mode="markers", showlegend=False,
            error_x={"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low],
                     "thickness": 2, "width": 5},
            marker={"color": CONTROL if control else ACCENT, "size": 11,
                    "symbol": "circle-open" if control else "circle", "line": {"width": 2}},
            hovertemplate=f"{name}: {value:.1%} ({low:.1%} to {high:.1%})<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="test accuracy, 95 % interval", tickformat=".0%", fixedrange=True)
    figure.update_yaxes(autorange="reversed", fixedrange=True, automargin=True)
    return figure


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
    figure = _figure(
        96 + (30 if len(bars) <= 10 else 23) * len(bars), barmode="stack", margin={"l": 8, "r": 28, "t": 40, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    for fate in ("copied", "adapted", "new"):
        own = {block: [r for r in rows if (r["block"], r["fate"]) == (block, fate)] for block in sizes}
        own = {block: there for block, there in own.items() if there}
        if own:
            counts = [sum(row["parameters"] for row in there) for there in own.values()]
            figure.add_bar(
                orientation="h", y=[labels[block] for block in own], name=fate, marker={"color": FATES[fate]},
                x=[size / max(1, sizes[block]) for block, size in zip(own, counts, strict=True)],
                customdata=[[block, size, _hows(own[block])] for block, size in zip(own, counts, strict=True)],
                hovertemplate="%{customdata[0]}: %{customdata[1]:,} parameters " + fate + "%{customdata[2]}"
                "<extra></extra>",
            )  # fmt: skip
    if unused["tensors"]:
        figure.add_bar(
            orientation="h", y=[rest], x=[unused["share"]], name="unused", marker={"color": FATES["unused"]},
            hovertemplate=f"{unused['parameters']:,} of the source's parameters (%{{x:.0%}}) were not used"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="share of parameters", tickformat=".0%", range=[0, 1], fixedrange=True)
    figure.update_yaxes(categoryorder="array", categoryarray=bars, fixedrange=True, automargin=True)
    return figure


def _hows(rows: Sequence[Mapping[str, Any]]) -> str:
    """How, or why, in a line for each of the first three reasons."""
    hows = list(dict.fromkeys(row["how"] for row in rows if row.get("how")))
    said = [escape(how, quote=False) for how in hows[:3]] + ["…"] * (len(hows) > 3)
    return "".join(f"<br>{how}" for how in said)


def class_sizes(classes: Sequence[str], parts: Mapping[str, Sequence[int]]) -> go.Figure:
    """Examples a class, by part where there are several; lying bars while there is room for a class's whole name."""
    lying = len(classes) <= 20
    names = [escape(name if len(name) <= 28 else f"{name[:27]}…", quote=False) for name in classes]
    places = list(range(len(classes)))  # two names that are shortened alike stay two bars
    figure = _figure(
        (70 if len(parts) > 1 else 40) + (30 * len(classes) if lying else 220), barmode="stack",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0, "traceorder": "normal"},
    )  # fmt: skip
    colours = (PARTS["train"], PARTS["validation"], PARTS["test"])
    order = ("for learning", "for validation", "for the test")
    for name, counts in parts.items():
        figure.add_bar(
            orientation="h" if lying else "v", x=list(counts) if lying else places, y=places if lying else list(counts),
            name=name, marker={"color": colours[order.index(name)]}, customdata=names,
            text=[f"{count:,}" for count in counts] if lying and len(parts) == 1 else None,
            textposition="auto", showlegend=len(parts) > 1,
            hovertemplate="%{customdata}: %{" + ("x" if lying else "y") + f":,}} {name}<extra></extra>",
        )  # fmt: skip
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "fixedrange": True, "automargin": True}
    amounts = {"fixedrange": True, "nticks": 5, "rangemode": "tozero"}
    figure.update_yaxes(**({**ticks, "autorange": "reversed"} if lying else amounts))
    figure.update_xaxes(**(amounts if lying else ticks))
    return figure
