"""Find a learning rate: a short trial in which it rises, and what its loss says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import streamlit as st

import ui
from panels import job
from tlcore import admission, charts, estimates, runs
from tlcore.spec import RunSpec

ROUGH = 100
"""Examples below which the trial says little."""
_WISH = "find a learning rate"


def question(spec: RunSpec) -> dict[str, Any]:
    """What the trial depends on: neither the rate that was chosen, nor how the run goes on after its first steps."""
    asked = admission.admit(spec).revised(
        learning_rate=0.01, schedule="constant", warm_up=0, early_stopping=0, control=False, evaluate_on=None,
        augmentation=(), views=0, balance="none",
    )  # fmt: skip
    if asked.plan:  # the trial is of its first phase
        asked = asked.revised(plan=(dataclasses.replace(asked.plan[0], learning_rate=0.01, epochs=1),), epochs=1)
    return dict(json.loads(json.dumps(dataclasses.asdict(asked))))


def ask() -> None:
    """The button that asks for the trial."""
    if st.button(
        "Find a learning rate", icon=":material/trending_down:", wrap=True, disabled=not admission.possible(ui.draft()),
        help="A trial of some seconds: about a hundred steps of the first phase, each a little larger than the one "
        "before (Smith, 2017). Nothing of it is kept but the curve.",
    ):  # fmt: skip
        wanted = question(ui.draft())
        ui.remember(_WISH, wanted)
        job.begin(runs.FIND_RATE, "", **wanted)


def found() -> None:
    """The trial's progress, then its curve with the suggested rate; nothing where it was not asked for."""
    if not ui.recall(_WISH) or not admission.possible(ui.draft()) or ui.recall(_WISH) != question(ui.draft()):
        return
    trial = job.latest(runs.FIND_RATE, ui.recall(_WISH))
    if not trial or not trial.result:
        return
    told = trial.result
    st.plotly_chart(
        charts.rate_curve(told["rates"], told["losses"], told["suggested"]), key="rate curve",
        config={"displayModeBar": False}, alt=f"Loss over the learning rate; {told['suggested']:g} is suggested",
    )  # fmt: skip
    few = estimates.sizes(ui.draft())["train"] < ROUGH
    st.caption(
        "From left to right each step was larger than the one before. On the left the steps are too small to help; "
        f"where the line climbs they are too large. **{told['suggested']:g}** lies where the loss falls steepest: "
        "large enough to learn quickly, and well below where it breaks."
        + (f" With fewer than {ROUGH} examples this is rough: try a third of it, too." if few else "")
    )  # fmt: skip
    st.button(f"Use {told['suggested']:g}", icon=":material/check:", on_click=_use, args=(told["suggested"],))


def _use(rate: float) -> None:
    draft = ui.draft()
    plan = draft.plan
    if draft.strategy == "custom" and plan:  # the trial was of its first phase
        plan = (dataclasses.replace(plan[0], learning_rate=rate), *plan[1:])
    ui.revise(learning_rate=rate, plan=plan)
    st.session_state.pop("field learning_rate", None)
