"""How the loss goes as the learning rate rises."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from .frame import ACCENT, INK, figure


def rate_curve(rates: Sequence[float], losses: Sequence[float], suggested: float) -> go.Figure:
    """The smoothed loss over the learning rate, which grows from step to step; the suggested rate is marked."""
    drawn = figure(260, showlegend=False)
    drawn.add_scatter(
        x=[*rates], y=[*losses], mode="lines", line={"color": ACCENT, "width": 2.5}, name="loss",
        hovertemplate="learning rate %{x:.2g}<br>loss %{y:.3g}<extra></extra>",
    )  # fmt: skip
    drawn.add_vline(
        x=suggested, line={"color": INK, "width": 1.5, "dash": "dot"},
        annotation={"text": f"suggested: {suggested:g}", "font": {"color": INK}}, annotation_position="top left",
    )  # fmt: skip
    # A loss that has begun to climb climbs out of sight: what matters is the slope before.
    low, high = min(losses), max(losses[: max(1, len(losses) // 3)])
    drawn.update_yaxes(title="loss", range=[low - 0.1 * (high - low), high + 0.6 * (high - low)], fixedrange=True)
    drawn.update_xaxes(
        title="learning rate", type="log", dtick=2, exponentformat="power", tickangle=0, showgrid=False, fixedrange=True
    )
    return drawn
