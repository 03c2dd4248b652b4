"""Choose whom to borrow from and what stays frozen; see the plan before anything runs."""

from __future__ import annotations

import streamlit as st

import ui
from panels import examples, fields, plan, settings
from panels.source import choose_source
from panels.strategy import choose_beside, choose_strategy
from tlcore import admission, datasets
from tlcore.sources import NONE
from tlcore.spec import Refused, RunSpec


def begin() -> None:
    """The control, what stands in the way, and Start."""
    if ui.draft().source != NONE:
        st.toggle("Compare with training from scratch", **ui.field("control"))
        st.caption(
            "Shows whether borrowing helps. The control: the same network, examples, epochs, learning rate and seed, "
            "borrowing nothing."
        )
    problems = []
    for question in ui.questions():
        try:
            admission.admit(question)
        except Refused as error:
            problems += [p for p in error.problems if p not in problems]
    with st.container():  # always there: what is below must not change places when something is refused
        ui.refusals(tuple(problems))
    count = len(ui.questions())
    if not problems:
        plan.cost(ui.draft(), count)
    label = "Start training" if count == 1 else f"Start {count} runs"
    if st.button(label, type="primary", icon=":material/play_arrow:", disabled=bool(problems), width="stretch"):
        ui.ask(ui.questions())


def load_spec() -> None:
    with st.popover(
        "Load a spec",
        icon=":material/upload_file:",
        help="All settings of a result: what its “Spec (JSON)” holds.",
    ):
        file = st.file_uploader("Spec (JSON)", type="json", max_upload_size=1)
        if file and st.button("Use these settings"):
            try:
                spec = RunSpec.from_json(file.getvalue())
                admission.admit(spec)
            except Refused as error:
                ui.refusals(error.problems)
            else:
                ui.replace(admission.admit(spec))
                st.rerun()


def ask_first() -> None:
    """For those who would rather be told, or see for themselves."""
    with st.container(horizontal=True, gap="small"):
        if st.button("What should I do?", icon=":material/lightbulb:", help="A look at your examples, and advice."):
            ui.go("advice")
        if st.button("Race several", icon=":material/flag:", help="Strategies, sources and seeds side by side."):
            ui.open_race("")
            ui.go("race")
        load_spec()


with ui.page("Choose a strategy", "Whom to borrow from, what stays frozen, and for how long."):
    left, right = st.columns([1, 1], gap="large")
    with left:
        dataset = datasets.dataset(ui.draft().dataset)
        amount = ui.draft().samples_per_class
        st.markdown(f"For **{ui.plain(dataset.title)}**, " + (f"{amount} a class" if amount else "all examples"))
        ask_first()
        choose_source()
        choose_strategy()
        fields.settings()
        choose_beside()
    with right:
        if admission.possible(ui.draft()):
            plan.draw(ui.draft())
        else:
            st.info("The plan is drawn as soon as the choices fit together.", icon=":material/alt_route:")
        begin()
        examples.settings()
        settings.settings()
