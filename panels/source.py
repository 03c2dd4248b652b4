"""Whom to borrow from."""

from __future__ import annotations

import pandas as pd
import streamlit as st

import ui
from panels import job
from tlcore import datasets, foreign, runs, uploads, words
from tlcore.architectures import network
from tlcore.catalogue import UnknownName
from tlcore.pretrained import ARCHITECTURES
from tlcore.sources import (
    FILE,
    IMAGENET,
    NONE,
    RUN,
    SOURCES,
    TRAINED,
    Source,
    adaptable,
    everything,
    lineage,
    recognised,
    source,
)
from tlcore.strategies import STRATEGIES

KINDS = {
    TRAINED: "Trained here",
    IMAGENET: "ImageNet",
    FILE: "From a file",
    RUN: "Earlier runs",
    NONE: "Nothing",
}
ABOUT = {
    TRAINED: "Small networks that this program trains itself, once, when you first borrow from them.",
    IMAGENET: "Networks that have seen a million photographs of a thousand kinds of things. The usual choice for "
    "photographs.",
    FILE: "Weights, or a whole network, that you or a colleague saved elsewhere.",
    RUN: "Networks that learnt something in your own finished runs.",
    NONE: "",
}
"""What a kind is, for those who see it for the first time."""


def choose_source() -> None:
    """Whom to borrow from: first the kind, then which one."""
    try:
        present = source(ui.draft().source)
    except UnknownName:
        st.warning("The network that this borrowed from is gone.", icon=":material/search_off:")
        present = SOURCES[NONE]
        ui.borrow_from(NONE)
    borrows = STRATEGIES[ui.draft().strategy].copies != "nothing"
    if borrows == (present.kind == NONE):
        ui.borrow_from(present.name)
        st.rerun()
    kind = st.pills(
        "Borrow from",
        list(KINDS),
        format_func=KINDS.__getitem__,
        required=True,
        **ui.shown("kind of source", present.kind),
        help="A network that has learnt one thing learns another from fewer examples.",
    )
    if about := ABOUT[kind or NONE]:
        st.caption(about)
    offered = {own.name: own for own in everything() if own.kind == kind and suits(own)}
    if present.kind == kind:
        offered |= {present.name: present}
    if kind == FILE:
        bring_weights()
        bring_preset()
    if not offered:
        stays = "from scratch" if present.kind == NONE else f"borrowing from **{ui.plain(present.title)}**"
        st.info(f"{NOTHING_THERE[kind or NONE]} The plan stays as it was: {stays}.", icon=":material/lightbulb:")
    elif present.name not in offered:  # another kind was chosen: begin with what is here already
        ready = [own for own in offered.values() if own.ready] or list(offered.values())
        # One that learnt from these very examples has little to add.
        first = next((own for own in ready if not own.spec or own.spec.dataset != ui.draft().dataset), ready[0])
        ui.borrow_from(first.name)
        st.rerun()
    else:
        if kind != NONE:
            st.selectbox(
                "Source network", list(offered),
                format_func=lambda name: offered[name].title if name in offered else name,
                **ui.field("source"), help="The network whose knowledge is borrowed.",
            )  # fmt: skip
        source_card(offered[present.name])
        if kind == IMAGENET:
            compare_sources([own for own in offered.values() if own.network])


NOTHING_THERE = {
    TRAINED: "None of the small networks that come with the program takes data like this. Try ImageNet for "
    "photographs, or train from scratch and borrow from that run later.",
    IMAGENET: "ImageNet's networks take pictures, and this dataset has none.",
    FILE: "No file has been brought yet.",
    RUN: "No run has finished yet whose network takes data like this. A finished run can be borrowed from.",
    NONE: "",
}


def suits(origin: Source) -> bool:
    """Whether to offer a source: its inputs can be brought to fit, and one of ours has not learnt from this dataset."""
    card = datasets.dataset(ui.draft().dataset)
    own = origin.kind == TRAINED and origin.spec is not None and origin.spec.dataset == card.name
    return adaptable(origin, card.shape) and not own


def source_card(origin: Source) -> None:
    with st.container(border=True):
        st.markdown(ui.plain(origin.summary))
        if origin.kind == NONE:
            return
        architecture = ARCHITECTURES.get(origin.network or "")
        told: dict[str, tuple[str, str]] = {}
        if origin.dataset:
            told["Trained on"] = (origin.dataset.title, origin.dataset.summary)
        if origin.blocks:
            told["Parameters"] = (words.short_count(sum(block.parameters for block in origin.blocks)), "Of its body.")
        if architecture and origin.kind == IMAGENET:
            told["Top-1 on ImageNet"] = (
                f"{architecture.top1:.1%}",
                "As published: of 1,000 classes, the first guess is right.",
            )
            told["Native size"] = (f"{architecture.size} px", "The side of the pictures that it was trained on.")
        elif origin.spec and origin.accuracy is not None:
            told["Its own accuracy"] = (f"{origin.accuracy:.1%}", "On test examples of what it was trained on.")
        with st.container(horizontal=True, gap="medium"):
            for name, (value, about) in told.items():
                st.metric(name, value, help=about, width="content")
        if origin.blocks:
            st.caption(
                "Blocks: " + " → ".join(ui.plain(block.name) for block in origin.blocks),
                help="The network in pieces, from the picture or the row to the answer. Early ones see simple things, "
                "edges say, late ones whole objects. Each stays frozen or learns as one.",
            )
        if architecture:
            st.caption(f"Paper: {architecture.reference}")
        if likely := recognised(origin, datasets.dataset(ui.draft().dataset).shape):
            st.caption(
                f"Recognised as **{network(likely[0]).title}**: {likely[1]:.0%} of its parameters fit. Another network "
                "can be chosen in the training settings."
            )
        descent(origin.name)
        getting(origin)


def descent(name: str, *after: str) -> None:
    """Where a network comes from, the oldest first; ``after`` is what comes of it."""
    chain = [*[own.title for own in lineage(name)][::-1], *after]
    if len(chain) > 1:
        st.markdown("Lineage: " + " → ".join(f":violet-badge[{ui.plain(title)}]" for title in chain))


def getting(origin: Source) -> None:
    """What is still to be done before its weights are here."""
    if origin.ready:
        return
    if origin.kind == TRAINED:
        st.caption(":material/schedule: Not trained yet: this is done first, once, when you start.")
        return
    size = ARCHITECTURES[origin.network or ""].download
    st.caption(
        f":material/cloud_download: Not on this computer yet: about {size / 1e6:.0f} MB are downloaded when the "
        "training starts, or now."
    )
    job.offer(runs.BORROW, origin.name, "Download now", ":material/download:", source=origin.name)


def compare_sources(offered: list[Source]) -> None:
    with st.expander("Compare all"):
        cards = [(own, ARCHITECTURES[own.network or ""]) for own in offered]
        st.dataframe(
            pd.DataFrame(
                {
                    "network": [card.title for _, card in cards],
                    "parameters": [card.parameters for _, card in cards],
                    "download": [f"{card.download / 1e6:.0f} MB" for _, card in cards],
                    "top-1": [card.top1 for _, card in cards],
                    "native size": [card.size for _, card in cards],
                    "blocks": [len(card.layout) for _, card in cards],
                    "here": [own.ready for own, _ in cards],
                }
            ),
            hide_index=True,
            column_config={
                "parameters": st.column_config.NumberColumn(format="compact"),
                "top-1": st.column_config.NumberColumn(format="percent"),
            },
        )


def bring_preset() -> None:
    """One of KerasHub's networks into a source, where KerasHub is installed."""
    if not foreign.hub_installed():
        return
    name = st.selectbox(
        "Or one from KerasHub", list(foreign.PRESETS), index=None, placeholder="none",
        format_func=lambda name: f"{foreign.PRESETS[name].title}, {foreign.PRESETS[name].download / 1e6:.0f} MB",
    )  # fmt: skip
    if name and st.button("Bring it here", icon=":material/download:"):
        job.begin(runs.BORROW, name, source=name)
        st.rerun()
    if answer := job.answer(runs.BORROW):
        ui.borrow_from(answer["source"])
        st.rerun()


def bring_weights() -> None:
    """A file of weights into a source."""
    file = st.file_uploader(
        "A file of weights, or a whole Keras model", type=list(foreign.ENDINGS), max_upload_size=500,
        key=ui.fresh("weights file"),
        help="Nothing in it is executed: it is read in a process of its own, with limits on memory and time.",
    )  # fmt: skip
    if file:
        path = uploads.keep(file.name, file, endings=foreign.ENDINGS)
        ui.renew("weights file")
        job.begin(runs.INSPECT, file.name, path=str(path), title=file.name)
        st.rerun()
    if answer := job.answer(runs.INSPECT):
        ui.borrow_from(answer["source"])
        st.rerun()
