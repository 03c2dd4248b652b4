"""The look of every figure: colours with one meaning each, and an empty figure to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

ACCENT, CONTROL, FROZEN, NEW_HEAD = "#8a63d2", "#8b8794", "#6ea8dc", "#2f9e6e"
INK = "#8b8794"
"""For lines and marks inside a figure: reads on both grounds."""


def figure(height: int, **more: Any) -> go.Figure:
    """An empty figure in the look of the house."""
    return go.Figure(layout=layout(height, **more))


def layout(height: int, **more: Any) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "bargap": 0.18, "font": {"size": 13}, "dragmode": False, **more,
    }  # fmt: skip


def shown(names: Sequence[str]) -> list[str]:
    """Names that somebody typed, so that Plotly shows them as they are."""
    return [escape(name, quote=False) for name in names]
