"""Figures (Plotly) from plans, events and numbers. One meaning a colour, on light and dark grounds alike."""

from .advice import probe_curves
from .data import PARTS, class_counts, class_sizes, parts
from .frame import ACCENT, CONTROL, FROZEN, INK, NEW_HEAD
from .learning import MOST_POINTS, learning_curves
from .plans import WARM, plan, thumbnail, warm
from .races import depth, gains, race_curves, runner
from .rates import rate_curve
from .results import FATES, comparison, confusion, receipt

__all__ = [
    "ACCENT", "CONTROL", "FATES", "FROZEN", "INK", "MOST_POINTS", "NEW_HEAD", "PARTS", "WARM", "class_counts",
    "class_sizes", "comparison", "confusion", "depth", "gains", "learning_curves", "parts", "plan", "probe_curves",
    "race_curves", "rate_curve", "receipt", "runner", "thumbnail", "warm",
]  # fmt: skip
