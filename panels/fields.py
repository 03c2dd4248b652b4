"""What only some strategies ask for, in plain words, right below them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import ui
from panels import ladder
from tlcore import admission, datasets
from tlcore.architectures import fitting, network
from tlcore.spec import RANGES
from tlcore.strategies import STRATEGIES

RANGE = "field range of blocks"
"""How the key of the slider for a range of blocks begins; a draft that is replaced takes it along."""


def settings() -> None:
    """The fields that the chosen strategy takes."""
    strategy = STRATEGIES[ui.draft().strategy]
    if strategy.copies == "teacher":
        _student()
    taken = [name for name in strategy.takes if name in FIELDS]
    if "first_block" in taken:
        taken.remove("blocks")
    for name in taken:
        FIELDS[name]()


def _bodies() -> list[str]:
    """The names of the body's blocks, input first; none while the choices do not fit together."""
    try:
        return [block.name for block in admission.blocks(ui.draft())[:-1]]
    except ValueError:
        return []


_BLOCKS = {
    "last_blocks": ("How many of the last blocks learn", "Counted from the answer; the head learns anyway."),
    "first_frozen": ("How many of the first blocks are copied", "Counted from the input; they stay frozen."),
    "first_tuned": ("How many of the first blocks are copied", "Counted from the input; everything learns."),
}


def _blocks() -> None:
    names = _bodies()
    if not names:
        return
    if ui.draft().blocks > len(names):  # chosen for a deeper network
        ui.revise(blocks=len(names))
        st.session_state.pop("field blocks", None)
    label, about = _BLOCKS.get(ui.draft().strategy, _BLOCKS["last_blocks"])
    st.number_input(label, 1, len(names), **ui.field("blocks"), help=about)


def _range() -> None:
    names = _bodies()
    if len(names) < 2:
        return
    draft = ui.draft()
    first = min(draft.first_block, len(names))
    last = min(first + draft.blocks - 1, len(names))
    if (first, last - first + 1) != (draft.first_block, draft.blocks):
        ui.revise(first_block=first, blocks=last - first + 1)
    key = f"{RANGE} of {len(names)} from {names[0]}"

    def take() -> None:
        low, high = (names.index(name) for name in st.session_state[key])
        ui.revise(first_block=low + 1, blocks=high - low + 1)

    # Only its default makes this slider one with two ends; what is kept under its key does not.
    st.select_slider(
        "Which blocks learn", names, value=(names[first - 1], names[last - 1]), key=key, on_change=take,
        help="From the first to the last of them, input on the left; the head learns anyway. Early blocks for noise, "
        "blur or another camera; late ones for other classes.",
    )  # fmt: skip


def _number(name: str, label: str, step: float, about: str) -> Callable[[], None]:
    def draw() -> None:
        kind, least, most = RANGES[name]
        st.number_input(
            label, kind(least), kind(most), step=kind(step), format=None if kind is int else "%.4g", help=about,
            **ui.field(name, kind),
        )  # fmt: skip

    return draw


def _layer_decay() -> None:
    # The slider ends where papers end; a spec that was loaded may lie outside.
    if 0.5 <= ui.draft().layer_decay < 1.0:
        st.slider("Share of the rate that the block before gets", 0.5, 0.99, step=0.01, **ui.field("layer_decay"),
                  help="0.75 means: each block learns at three quarters of the rate of the one after it. 0.65 to 0.9 "
                  "is usual; 1 would be plain fine-tuning.")  # fmt: skip
    else:
        _number("layer_decay", "Share of the rate that the block before gets", 0.05, "0.65 to 0.9 is usual.")()


def _student() -> None:
    card = datasets.dataset(ui.draft().dataset)
    asked = admission.resolved(ui.draft()).network
    st.selectbox(
        "The student's network", fitting(card.shape), format_func=lambda name: network(name).title,
        **ui.field("network", lambda own: own or asked),
        help="The network that learns, from random weights. The source is only its teacher, and may be far larger.",
    )  # fmt: skip


FIELDS: dict[str, Callable[[], None]] = {
    "blocks": _blocks,
    "first_block": _range,
    "rate_factor": _number(
        "rate_factor", "What the rate is divided by from block to block", 0.1,
        "From the answer towards the input. ULMFiT's 2.6 by default; 1 would be one rate for all.",
    ),
    "layer_decay": _layer_decay,
    "pull": _number(
        "pull", "Strength of the pull", 0.001,
        "How hard borrowed weights are drawn back to the source's. 0.01 to 0.1 is usual; 0 would be plain fine-tuning.",
    ),
    "lora_rank": _number(
        "lora_rank", "Rank of the adapters", 1,
        "How narrow the detour beside each kernel is. 4 or 8 is usual: the more, the more it can change.",
    ),
    "lora_alpha": _number(
        "lora_alpha", "Weight of the adapters (alpha)", 1,
        "What the adapters add is multiplied by this and divided by the rank. Twice the rank is usual.",
    ),
    "source_weight": _number(
        "source_weight", "Weight of the source's task", 0.1,
        "Of its loss beside that of your own task, which counts 1. The more, the less is forgotten.",
    ),
    "teacher_weight": _number(
        "teacher_weight", "Weight of the teacher", 0.1,
        "How much seeing as the teacher sees counts, beside your labels, which count 1.",
    ),
    "plan": ladder.draw,
}  # fmt: skip
