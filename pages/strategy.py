"""Choose whom to borrow from and what stays frozen; see the plan before anything runs."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import ui
from panels import examples
from panels.source import choose_source
from tlcore import admission, charts, datasets, words
from tlcore.architectures import fitting, network
from tlcore.sources import NONE, source
from tlcore.spec import DEVICES, LOSSES, OPTIMIZERS, Refused, RunSpec
from tlcore.strategies import STRATEGIES, arms, told


def choose_strategy() -> None:
    draft = ui.draft()
    names = [n for n, s in STRATEGIES.items() if (s.copies == "nothing") == (draft.source == NONE)]
    st.radio(
        "Freezing strategy",
        names,
        format_func=lambda name: STRATEGIES[name].title,
        captions=[f"{STRATEGIES[name].sentence} *{STRATEGIES[name].when}*" for name in names],
        **ui.field("strategy"),
    )
    if STRATEGIES[ui.draft().strategy].takes_blocks:
        most = len(admission.blocks(ui.draft())) - 1
        st.number_input("How many of the last blocks learn", 1, most, **ui.field("blocks"))
    beside = [name for name in names if name != ui.draft().strategy]
    if beside:
        st.multiselect(
            "Try side by side with",
            beside,
            format_func=lambda name: STRATEGIES[name].title,
            placeholder="another strategy, if you like",
            **ui.remembered("side_by_side", []),
            help="Each is a run of its own on the same examples; the results are shown together.",
        )


def hyper_parameters() -> None:
    with st.expander("Training settings", icon=":material/tune:", key="settings"):
        first, second, third = st.columns(3)
        first.number_input(
            "Epochs", 1, 10_000, **ui.field("epochs"), help="Passes over the training examples, all phases together."
        )
        second.number_input(
            "Batch size",
            1,
            65_536,
            **ui.field("batch_size"),
            help="At most so many examples before each step; they are dealt out evenly.",
        )
        third.number_input(
            "Learning rate",
            1e-8,
            10.0,
            step=1e-4,
            format="%.3g",
            **ui.field("learning_rate"),
            help="The size of a step. The plan lowers it where borrowed blocks learn.",
        )
        first.selectbox("Optimizer", list(OPTIMIZERS), format_func=OPTIMIZERS.__getitem__, **ui.field("optimizer"))
        second.selectbox("Loss", list(LOSSES), format_func=LOSSES.__getitem__, **ui.field("loss"))
        third.number_input(
            "Early stopping",
            0,
            10_000,
            **ui.field("early_stopping"),
            help="Epochs without a better validation loss to wait for; 0 trains to the end.",
        )
        surroundings()


def surroundings() -> None:
    """What else decides a run: its seed, its device, its network, and what it is tried on afterwards."""
    dataset = datasets.dataset(ui.draft().dataset)
    first, second, third = st.columns(3)
    first.number_input("Seed", 0, 2**31 - 1, **ui.field("seed"), help="Decides the split and the random weights.")
    second.selectbox(
        "Compute on",
        list(DEVICES),
        format_func=DEVICES.__getitem__,
        **ui.field("device"),
        help="By itself it takes a GPU where there is one.",
    )
    if source(ui.draft().source).network is None:
        asked = admission.resolved(ui.draft()).network
        third.selectbox(
            "Network",
            fitting(dataset.shape),
            format_func=lambda name: network(name).title,
            **ui.field("network", lambda own: own or asked),
        )
    if dataset.alike:
        st.selectbox(
            "Then also try it on",
            dataset.alike,
            index=None,
            placeholder="nothing else",
            format_func=lambda name: datasets.dataset(name).title,
            **ui.field("evaluate_on"),
            help="Another dataset of the same classes, which the finished model has never learnt from.",
        )
    st.segmented_control(
        "Repeat with",
        [1, 3, 6],
        required=True,
        **ui.remembered("seeds", 1),
        format_func=lambda n: "one seed" if n == 1 else f"{n} seeds",
        help="Other splits, other random weights. One seed is an anecdote; six can show a difference.",
    )


def plan(spec: RunSpec) -> None:
    blocks = admission.blocks(spec)
    plans = arms(spec, [block.name for block in blocks])
    main = next(iter(plans.values()))
    st.markdown("**The plan**, before anything runs")
    st.plotly_chart(
        charts.plan(main, blocks, new_head=STRATEGIES[spec.strategy].copies != "all"),
        key="plan",
        config={"displayModeBar": False},
        alt="; ".join(f"{p.name}: {p.epochs} epochs" for p in main),
    )
    st.markdown(
        ":blue[**blue**] stays frozen · :orange[**orange**] learns, stronger with the learning rate · "
        ":green[**green frame**] a new head"
    )
    phases = [told(phase, {block.name: block.parameters for block in blocks}) for phase in main]
    st.dataframe(
        pd.DataFrame(
            {
                "phase": [phase["name"] for phase in phases],
                "epochs": [phase["epochs"] for phase in phases],
                "learning rate": [f"{phase['learning_rate']:.2g}" for phase in phases],
                "trainable": [words.count(phase["trainable_parameters"]) for phase in phases],
                "frozen": [words.count(phase["frozen_parameters"]) for phase in phases],
            }
        ),
        hide_index=True,
        column_config={
            "epochs": st.column_config.NumberColumn(help="Passes over the training examples"),
            "learning rate": st.column_config.TextColumn(help="The size of a step"),
            "trainable": st.column_config.TextColumn(help="Numbers of the network that change in this phase"),
            "frozen": st.column_config.TextColumn(help="Numbers that stay as they were borrowed"),
        },
    )
    if reference := STRATEGIES[spec.strategy].reference:
        st.caption(f"Paper: {reference}")


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


with ui.page("Choose a strategy", "Whom to borrow from, what stays frozen, and for how long."):
    left, right = st.columns([1, 1], gap="large")
    with left:
        dataset = datasets.dataset(ui.draft().dataset)
        amount = ui.draft().samples_per_class
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"For **{ui.plain(dataset.title)}**, " + (f"{amount} a class" if amount else "all examples"))
            load_spec()
        choose_source()
        choose_strategy()
    with right:
        if admission.possible(ui.draft()):
            plan(ui.draft())
        else:
            st.info("The plan is drawn as soon as the choices fit together.", icon=":material/alt_route:")
        begin()
        examples.settings()
        hyper_parameters()
