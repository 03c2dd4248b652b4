"""What to do with this dataset: probes at several depths, and what they say."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import ui
from panels import job
from panels.race import propose
from tlcore import admission, advice, charts, datasets, probing, recipes, runs, words, worker
from tlcore.advice import Advice
from tlcore.runs import Run
from tlcore.sources import IMAGENET, NONE, Source
from tlcore.spec import Refused, RunSpec
from tlcore.strategies import STRATEGIES

CHOSEN = "sources to look through"
MOST_SOURCES = 8


# What is looked at


def about(spec: RunSpec) -> None:
    """Whose data, and how many."""
    card = datasets.dataset(spec.dataset)
    sizes = parts(spec)
    amount = f"{words.count(spec.samples_per_class)} a class" if spec.samples_per_class else "all there are"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f"For **{ui.plain(card.title)}**, {amount}: {words.count(sizes['train'])} {card.unit} to learn from. "
            "The test part is not looked at."
        )
        if st.button("Choose other data", icon=":material/dataset:", type="tertiary"):
            ui.go("dataset")


def parts(spec: RunSpec) -> dict[str, int]:
    return datasets.split_sizes(
        datasets.dataset(spec.dataset).facts(), samples_per_class=spec.samples_per_class,
        validation_share=spec.validation_share, test_share=spec.test_share,
    )  # fmt: skip


def choose_sources(spec: RunSpec, offered: dict[str, Source]) -> list[Source]:
    here = {name: own for name, own in offered.items() if probing.at_hand(own)}
    key = f"{CHOSEN} {probing.question(spec, [])}"
    chosen = st.multiselect(
        "Networks to borrow from", [*here], format_func=lambda name: here[name].title if name in here else name,
        placeholder="choose one or more", max_selections=MOST_SOURCES,
        **ui.remembered(key, probing.begun_with(spec, here)[:MOST_SOURCES]),
        help="Each has learnt something else. The look shows which of them already tells your classes apart.",
    )  # fmt: skip
    away = [own for name, own in offered.items() if name not in here]
    if away:
        names = " · ".join(ui.plain(own.title) for own in away[:3]) + (f" · {len(away) - 3} more" if away[3:] else "")
        st.caption(
            f":material/cloud_off: Not on this computer, so not offered: {names}. The page *Strategy* can download "
            f"{'it' if len(away) == 1 else 'them'}."
        )
    return [here[name] for name in chosen if name in here]


def look(spec: RunSpec, chosen: list[Source], answered: Run | None) -> None:
    """The button, and what it will cost."""
    question = probing.question(spec, [own.name for own in chosen])
    if st.button(
        "Look again" if answered else "Look at my data", icon=":material/lightbulb:", disabled=not chosen,
        type="secondary" if answered else "primary",
    ):  # fmt: skip
        worker.order(runs.ADVISE, datasets.dataset(spec.dataset).title, **question)
        st.rerun()
    if chosen and not answered:
        sizes = parts(spec)
        seconds = probing.expected_seconds(spec, chosen, sizes["train"] + sizes["validation"])
        first = [own.title for own in chosen if not own.ready or (own.spec and not own.run)]
        training = f", after {ui.plain(' and '.join(first))} was trained here, once" if first else ""
        st.caption(f":material/schedule: About {words.duration(round(seconds, -1) or 10)}{training}. Nothing of your "
                   "data leaves this computer.")  # fmt: skip


def asked_before(question: dict[str, Any]) -> Run | None:
    """The newest look with this very question; one that was cancelled takes no answer away."""
    return next((own for own in runs.all_runs(runs.ADVISE) if own.asks(question) and own.status != "stopped"), None)


def in_progress(own: Run) -> None:
    """One that is still at it, or why it came to nothing."""
    if own.status in (runs.WAITING, runs.RUNNING):
        job.watch(own.id)
    elif own.status == "failed":
        failure = ui.story(own.id).failure or {"reason": "Nobody knows why."}
        st.error(f"**The look came to nothing.** {ui.plain(failure['reason'])}", icon=":material/report:")
    elif own.status == runs.LOST:
        st.error("**The look was lost.** The engine ended before it was over: try once more.",
                 icon=":material/link_off:")  # fmt: skip


# What it says


def recommendation(spec: RunSpec, own: Advice) -> None:
    with st.container(border=True):
        st.caption(":material/lightbulb: Recommended")
        st.subheader(ui.plain(own.title), anchor=False)
        st.markdown("\n".join(f"- {ui.plain(reason)}" for reason in own.reasons))
        for warning in own.warnings:
            st.warning(ui.plain(warning), icon=":material/warning:")
        strategy = own.spec_changes["strategy"]
        settings = [
            f"{ui.LABELS.get(field, field.replace('_', ' '))}: {value:g}".lower()
            for field, value in own.spec_changes.items()
            if field not in ("source", "strategy") and getattr(spec, field) != value
        ]
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Use this", type="primary", icon=":material/arrow_forward:",
                         help=STRATEGIES[strategy].sentence):  # fmt: skip
                taken = recipes.borrowing(spec, own.spec_changes["source"]).revised(**own.spec_changes)
                ui.replace(taken)
                ui.go("strategy")
            st.markdown(f":gray[{ui.plain(own.confidence)}" + (f" Sets {', '.join(settings)}.]" if settings else "]"))
    st.caption("A recommendation is a first guess, by thresholds that are ours. The proof is a race of strategies on "
               "your own data.")  # fmt: skip
    if st.button("Race strategies", icon=":material/flag:", type="tertiary"):
        source = own.spec_changes["source"]
        propose(source if source != NONE else own.ranking[0].source)
        ui.go("race")


def curve(figures: dict[str, Any], own: Advice) -> None:
    st.markdown(
        "**How well your classes can be told apart, by how deep one looks**",
        help="A network is a row of blocks. Behind each of a few blocks, a simple classifier tries to tell your "
        "classes apart from what comes out there. Where the line goes on rising, the network has learnt what you need; "
        "where it falls, its last blocks care for other things. The band is the uncertainty.",
    )  # fmt: skip
    first = own.spec_changes["source"] if len(own.ranking) > 1 else own.ranking[0].source
    shown = next((row for row in own.ranking if row.source == first), own.ranking[0])
    of = f" (of {shown.title})" if len(own.ranking) > 1 else ""
    unit = figures["unit"]
    st.plotly_chart(
        charts.probe_curves(
            figures["sources"],
            [
                (f"the same network, random weights{of}", shown.random),
                (f"the {unit} themselves", figures["raw"]["accuracy"]),
            ],
            shown.source,
        ),
        key="depth", config={"displayModeBar": False},
        alt="; ".join(f"{row.title}: {row.accuracy:.0%} at best, {row.last:.0%} behind its last block"
                      for row in own.ranking),
    )  # fmt: skip


def ranking(figures: dict[str, Any], own: Advice) -> None:
    st.markdown("**The networks, best first**" if len(own.ranking) > 1 else "**The network**")
    st.dataframe(
        pd.DataFrame(
            {
                "network": [row.title + (" (has learnt from these data)" if row.seen else "") for row in own.ranking],
                "told apart": [round(row.accuracy, 3) for row in own.ranking],
                "±": [100 * row.error if row.error is not None else None for row in own.ranking],
                "best behind": [f"{row.block} ({row.below} of {row.blocks})" for row in own.ranking],
                "last block": [round(row.last, 3) for row in own.ranking],
                "random": [round(row.random, 3) for row in own.ranking],
                "helps": [row.clear for row in own.ranking],
                "LogME": [row.logme for row in own.ranking],
            }
        ),
        hide_index=True,
        column_config={
            "network": st.column_config.TextColumn(width="medium"),
            "told apart": st.column_config.NumberColumn(
                format="percent", help="Your examples that a simple classifier gets right from the features behind "
                "the network's best block. The networks are ranked by it."),
            "±": st.column_config.NumberColumn(format="%.1f points", help="Its standard error, over the folds."),
            "best behind": st.column_config.TextColumn(help="The block behind which your classes are told apart best."),
            "last block": st.column_config.NumberColumn(format="percent", help="The same, behind the last block."),
            "random": st.column_config.NumberColumn(
                format="percent", help="The same network with random weights, at its best block: what its wiring alone "
                "can do."),
            "helps": st.column_config.CheckboxColumn(
                help="Clearly better, beyond chance, than random weights and than no network at all."),
            "LogME": st.column_config.NumberColumn(
                format="%.3f", help="A second opinion from theory: how likely your labels are, given the last block's "
                "features; higher is better. A hint only: in published comparisons its order agreed with the order "
                "after fine-tuning to 0.67 (weighted Kendall τ; 1 is perfect, 0 is chance). You et al., 2021, "
                "arXiv:2102.11005."),
        },
    )  # fmt: skip
    for left in figures["left_out"]:
        st.caption(f":material/block: Left out: {ui.plain(left['reason'])}.")


def how(figures: dict[str, Any]) -> None:
    examples, unit = figures["examples"], figures["unit"]
    with st.expander("How this was found", icon=":material/science:"):
        tried = examples["tried"] - examples["fitted"]
        st.markdown(
            f"- {words.count(examples['fitted'])} {unit} of the training part and {words.count(tried)} of the "
            "validation part were sent through each network once. The test part was not looked at.\n"
            f"- Behind up to six blocks, what comes out was averaged over the picture, and a linear classifier (ridge) "
            f"was fitted to it in {figures['folds']} folds: fitted on a part of the training examples, tried on the "
            "others and on validation examples, so that each is tried once by a classifier that has not seen it.\n"
            f"- Always answering the most frequent class would be right in {figures['chance']:.0%} of cases.\n"
            f"- Up to {advice.FEW} examples a class count as few here, more than {advice.MUCH} as many; a difference "
            f"is called clear from {100 * advice.CLEAR:.0f} points and twice its standard error. These thresholds are "
            "ours. The rules are those of Stanford's CS231n course.\n"
            f"- It took {words.duration(figures['seconds'])}."
        )


def outcome(spec: RunSpec, own: Run) -> None:
    assert own.result
    said = advice.recommend(spec, own.result)
    left, right = st.columns([6, 7], gap="large")
    with left:
        recommendation(spec, said)
    with right:
        curve(own.result, said)
    ranking(own.result, said)
    how(own.result)


def nothing_fits(spec: RunSpec, offered: dict[str, Source]) -> None:
    kinds = {own.kind for own in offered.values()}
    card = datasets.dataset(spec.dataset)
    if IMAGENET in kinds:
        st.info("No network that takes these pictures is on this computer yet. The page *Strategy* downloads one.",
                icon=":material/cloud_download:")  # fmt: skip
    else:
        st.info(f"No network that takes {card.unit} like these is here yet. Train one from scratch: a finished run can "
                "be borrowed from.", icon=":material/lightbulb:")  # fmt: skip
    if st.button("Choose a strategy", type="primary", icon=":material/arrow_forward:"):
        ui.go("strategy")


def whole_page(spec: RunSpec) -> None:
    card = datasets.dataset(spec.dataset)
    if not card.ready:
        st.info(f"**{ui.plain(card.title)}** is not on this computer yet.", icon=":material/cloud_download:")
        if st.button("Choose a dataset to begin", type="primary", icon=":material/dataset:"):
            ui.go("dataset")
        return
    try:
        admission.admit(spec.revised(source="none", strategy="scratch", network=None, image_size=None, control=False))
    except Refused as error:
        ui.refusals(error.problems)
        return
    about(spec)
    offered = probing.offered(spec)
    if not any(map(probing.at_hand, offered.values())):
        nothing_fits(spec, offered)
        return
    chosen = choose_sources(spec, offered)
    own = asked_before(probing.question(spec, [one.name for one in chosen]))
    answered = own if own and own.status == "finished" and own.result else None
    if own and not own.over:
        in_progress(own)
        return
    look(spec, chosen, answered)
    if answered:
        outcome(spec, answered)
    elif own:
        in_progress(own)
    else:
        invitation()


def invitation() -> None:
    st.info(
        "**What should I do?** Your examples are shown to each network, which is not changed by it. How well they can "
        "then be told apart, early and late in the network, says whether borrowing is likely to help, from whom, and "
        "what to keep frozen.", icon=":material/lightbulb:",
    )  # fmt: skip


with ui.page("Advice", "What should I do? A short look at your data through each source."):
    whole_page(ui.draft())
