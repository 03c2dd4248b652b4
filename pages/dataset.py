"""Choose what to learn from, and how much of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

import ui
from panels import job
from tlcore import charts, datasets, pictures, runs
from tlcore.datasets import Damaged, Dataset, Own, Preview, most_samples_per_class, split_sizes
from tlcore.recipes import RECIPES

STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
ALL = 0


def rows(dataset: Dataset, preview: Preview, each: int, columns: int) -> pd.DataFrame:
    """The first rows of a table, their class in front."""
    chosen = np.concatenate([np.flatnonzero(preview.y == label)[:each] for label in range(len(dataset.classes))])
    frame = pd.DataFrame(preview.x[chosen][:, :columns], columns=list(dataset.columns[:columns]) or None).round(2)
    own = "class" if "class" not in frame else "class (to tell)"
    frame.insert(0, own, [dataset.classes[label] for label in preview.y[chosen]])
    return frame


def beginnings() -> None:
    """A person's own data, or a recipe."""
    own, ready = st.columns([2, 5])
    with own.container(border=True, height="stretch"):
        st.markdown("**Your own pictures or table?** A zip, a folder, a CSV or the camera.")
        if st.button("Bring your own data", icon=":material/upload_file:", width="stretch"):
            ui.go("intake")
    with ready.container(border=True, height="stretch"):
        st.markdown("**In a hurry?** A recipe fills in every page for you.")
        for column, recipe in zip(st.columns(3) * 2, RECIPES.values(), strict=False):
            if column.button(recipe.title, key=f"recipe {recipe.name}", help=recipe.sentence, width="stretch"):
                ui.take_recipe(recipe)
                ui.go("strategy")


def card(dataset: Dataset) -> None:
    own = isinstance(dataset, Own)
    chosen = ui.draft().dataset in ((dataset.name, dataset.import_id) if isinstance(dataset, Own) else (dataset.name,))
    with st.container(border=True, height="stretch"):
        st.markdown(
            f"**{ui.plain(dataset.title)}**"
            + (" :violet-badge[:material/check: chosen]" if chosen else "")
            + (" :blue-badge[yours]" if own else "")
        )
        try:
            facts, preview = dataset.facts(), dataset.preview()
        except Damaged as error:
            st.error(str(error), icon=":material/broken_image:")
            return
        if preview is None:
            assert dataset.download
            st.caption(f":material/cloud_download: Downloaded on first use, {dataset.download.size / 1e6:.0f} MB")
        elif dataset.is_image:
            st.image(pictures.sheet(dataset, preview, 10, 2), width="stretch", alt=f"Examples of {dataset.title}")
        else:
            st.dataframe(rows(dataset, preview, 1, 3), hide_index=True, height=143 if len(dataset.classes) > 2 else 108)
        size = " × ".join(map(str, dataset.shape[:2])) if dataset.is_image else f"{dataset.shape[0]} features"
        st.caption(
            f"{ui.plain(dataset.summary)} {facts.examples:,} {dataset.unit}, {len(dataset.classes)} classes, {size}."
        )
        with st.container(horizontal=True):
            if not chosen and st.button("Choose", key=f"choose {dataset.name}"):
                ui.choose_dataset(dataset.name)
                st.rerun()
            if own and st.button("Health check", key=f"health {dataset.name}", type="tertiary"):
                ui.go("health", dataset=dataset.name)


def shelf() -> None:
    every = datasets.everything()
    kinds: dict[str, Sequence[Dataset]] = {
        "All": every,
        "Pictures": [d for d in every if d.is_image],
        "Tables": [d for d in every if not d.is_image],
        "Yours": [d for d in every if isinstance(d, Own)],
    }
    kind = st.segmented_control("Kind", list(kinds), default="All", required=True, label_visibility="collapsed")
    shown = kinds[kind or "All"]
    if not shown:
        st.info("Nothing of yours is here yet: bring your own data above.", icon=":material/upload_file:")
    for start in range(0, len(shown), 2):
        for column, dataset in zip(st.columns(2), shown[start : start + 2], strict=False):
            with column:
                card(dataset)


def download(dataset: Dataset) -> None:
    """For a dataset that is not here yet: fetch it now, or let the run do it."""
    st.info("Not on this computer yet: it is downloaded when the training starts, or now.", icon=":material/cloud:")
    job.offer(runs.FETCH, dataset.name, "Download now", ":material/download:", dataset=dataset.name)


def division(dataset: Dataset) -> None:
    """How many examples to learn from, and how the rest is divided."""
    draft, facts = ui.draft(), dataset.facts()
    own_test = facts.official_test is not None
    most = most_samples_per_class(facts, draft.validation_share, draft.test_share)
    own = {draft.samples_per_class} if draft.samples_per_class else set[int]()
    steps = [*sorted({step for step in STEPS if step < most} | own), ALL]
    chosen = st.select_slider(
        "Examples a class to learn from",
        steps,
        value=draft.samples_per_class or ALL,
        key=f"samples {dataset.name}",
        format_func=lambda step: f"{step:,}" if step else "all",
        help="Transfer matters most when there are few. The rest of the dataset is left unused.",
    )
    ui.learn_from(chosen or None)
    with st.expander("How the rest is divided"):
        st.slider(
            "Share for validation",
            0.05,
            0.5,
            step=0.05,
            format="percent",
            **ui.field("validation_share"),
            help="Watched while training, never learnt from.",
        )
        if own_test:
            st.caption("This dataset comes with a test part of its own.")
        else:
            st.slider(
                "Share for the test",
                0.05,
                0.5,
                step=0.05,
                format="percent",
                **ui.field("test_share"),
                help="Touched once, at the very end.",
            )
        st.number_input("Seed", 0, 2**31 - 1, **ui.field("seed"), help="Another seed divides the dataset otherwise.")
    draft = ui.draft()
    sizes = split_sizes(
        facts,
        samples_per_class=draft.samples_per_class,
        validation_share=draft.validation_share,
        test_share=draft.test_share,
    )
    st.plotly_chart(
        charts.parts(sizes),
        key="parts",
        config={"displayModeBar": False},
        alt=", ".join(f"{name} {size}" for name, size in sizes.items()),
    )


def details(dataset: Dataset) -> None:
    st.subheader(ui.plain(dataset.title), anchor=False)
    try:
        facts, preview = dataset.facts(), dataset.preview()
    except Damaged as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    division(dataset)
    if st.button("Next: choose a strategy", type="primary", icon=":material/arrow_forward:", width="stretch"):
        ui.go("strategy")
    if preview is None:
        download(dataset)
    counts = facts.each
    names = ", ".join(dataset.classes[:40]) + (" …" if len(dataset.classes) > 40 else "")
    st.caption(f"{len(dataset.classes)} classes: {ui.plain(names)}. Examples of each in the whole dataset:")
    st.plotly_chart(
        charts.class_counts(counts, dataset.classes),
        key="counts",
        config={"displayModeBar": False},
        alt=f"{min(counts)} to {max(counts)} examples a class",
    )
    if preview is not None and dataset.is_image:
        with st.expander("More pictures"):
            st.image(pictures.sheet(dataset, preview, 12, 8), width="stretch", alt=f"More examples of {dataset.title}")
    elif preview is not None:
        with st.expander("More rows"):
            st.dataframe(rows(dataset, preview, 3, 30), hide_index=True)


with ui.page(
    "Choose a dataset", "What should the network learn? Begin with few examples: that is where borrowing pays."
):
    beginnings()
    left, right = st.columns([3, 2], gap="large")
    with left:
        shelf()
    with right:
        details(datasets.dataset(ui.draft().dataset))
