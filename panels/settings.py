"""Training settings: steps and their size, and what else decides a run."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import ui
from panels import rates
from tlcore import admission, datasets, devices
from tlcore.architectures import fitting, network
from tlcore.sources import source
from tlcore.spec import DEVICES, LOSSES, OPTIMIZERS, SCHEDULES
from tlcore.strategies import STRATEGIES


def settings() -> None:
    with st.expander("Training settings", icon=":material/tune:", key="settings"):
        by_hand = ui.draft().strategy == "custom"
        first, second = st.columns(2)
        first.number_input(
            "Epochs", 1, 10_000, **ui.field("epochs"), disabled=by_hand,
            help="Each phase of your own plan says its own."
            if by_hand else "Passes over the training examples, all phases together.",
        )  # fmt: skip
        second.number_input(
            "Batch size", 1, 65_536, **ui.field("batch_size"),
            help="At most so many examples before each step; they are dealt out evenly.",
        )  # fmt: skip
        first, second = st.columns(2, vertical_alignment="bottom")
        first.number_input(
            "Learning rate", 1e-8, 10.0, step=1e-4, format="%.3g", **ui.field("learning_rate"),
            help="Of the control: each phase of your own plan says its own."
            if by_hand else "The size of a step. The plan lowers it where borrowed blocks learn.",
        )  # fmt: skip
        with second:
            rates.ask()
        rates.found()
        first, second = st.columns(2)
        first.selectbox(
            "Schedule", list(SCHEDULES), format_func=lambda name: SCHEDULES[name].partition(":")[0].capitalize(),
            **ui.field("schedule"),
            help="How the rate goes within each phase. " + ". ".join(f"**{k}**:{v}" for k, v in _explained()) + ".",
        )  # fmt: skip
        second.number_input(
            "Warm-up", 0, 10_000, **ui.field("warm_up"),
            help="Epochs of each phase in which the rate rises from nothing to its height.",
        )  # fmt: skip
        first.number_input(
            "Early stopping", 0, 10_000, **ui.field("early_stopping"),
            help="Epochs without a better validation loss to wait for; 0 trains to the end.",
        )  # fmt: skip
        _device(second)
        first.selectbox("Optimizer", list(OPTIMIZERS), format_func=OPTIMIZERS.__getitem__, **ui.field("optimizer"))
        second.selectbox("Loss", list(LOSSES), format_func=LOSSES.__getitem__, **ui.field("loss"))
        _surroundings(first, second)


def _explained() -> list[tuple[str, str]]:
    return [(name, about) for name, _, about in (own.partition(":") for own in SCHEDULES.values()) if about]


def _device(column: DeltaGenerator) -> None:
    offered = [name for name in DEVICES if name != "gpus" or len(devices.visible_gpus()) > 1]
    if ui.draft().device not in offered:  # in a spec from another computer
        offered.append(ui.draft().device)
    column.selectbox(
        "Compute on", offered, format_func=DEVICES.__getitem__, **ui.field("device"),
        help="By itself it takes a GPU where there is one.",
    )  # fmt: skip


def _surroundings(first: DeltaGenerator, second: DeltaGenerator) -> None:
    """What else decides a run: its seed, its network, and what it is tried on afterwards."""
    dataset = datasets.dataset(ui.draft().dataset)
    first.number_input("Seed", 0, 2**31 - 1, **ui.field("seed"), help="Decides the split and the random weights.")
    if source(ui.draft().source).network is None and STRATEGIES[ui.draft().strategy].copies != "teacher":
        asked = admission.resolved(ui.draft()).network
        second.selectbox(
            "Network", fitting(dataset.shape), format_func=lambda name: network(name).title,
            **ui.field("network", lambda own: own or asked),
        )  # fmt: skip
    if dataset.alike:
        st.selectbox(
            "Then also try it on", dataset.alike, index=None, placeholder="nothing else",
            format_func=lambda name: datasets.dataset(name).title, **ui.field("evaluate_on"),
            help="Another dataset of the same classes, which the finished model has never learnt from.",
        )  # fmt: skip
    st.segmented_control(
        "Repeat with", [1, 3, 6], required=True, **ui.remembered("seeds", 1),
        format_func=lambda n: "one seed" if n == 1 else f"{n} seeds",
        help="Other splits, other random weights. One seed is an anecdote; six can show a difference.",
    )  # fmt: skip
