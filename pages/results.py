"""What came of a run, and whether borrowing helped."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
import streamlit as st

import gathering
import ui
from panels.source import descent
from tlcore import admission, artefacts, charts, comparison, datasets, evaluation, pictures, runs, words
from tlcore.artefacts import DamagedArtefact
from tlcore.datasets import Dataset
from tlcore.events import Story
from tlcore.runs import Run
from tlcore.words import gain_sentence, points, receipt_sentence, seeds_sentence

CALM = {"displayModeBar": False}
MISTAKES = 8


def newest() -> str | None:
    return next((run.id for run in runs.all_runs() if run.result), None)


def verdict(run: Run, result: dict[str, Any], repeats: list[Run]) -> None:
    """The answer in one sentence, in the colour of its meaning; over all seeds where there are several."""
    gains = {own.spec.seed: own.result["gain"]["gain"] for own in repeats if own.result and own.result["gain"]}
    sentence, gain = gain_sentence(run.spec, result, len(gains)), result["gain"]
    if len(gains) > 1:
        gain = evaluation.over_seeds([*gains.values()])
        sentence, own = seeds_sentence(gain), sentence
    unsure = len(gains) > 1 and not gain["significant"]
    if gain is None or unsure or gain["interval"][0] <= 0 <= gain["interval"][1]:
        st.info(f"**{ui.plain(sentence)}**", icon=":material/balance:")
    elif gain["interval"][0] > 0:
        st.success(f"**{ui.plain(sentence)}**", icon=":material/trending_up:")
    else:
        st.warning(f"**{ui.plain(sentence)}**", icon=":material/trending_down:")
    if len(gains) > 1:
        st.markdown(ui.plain(own))
        with st.expander("Each seed"):
            frame = pd.DataFrame({"seed": gains.keys(), "gain": gains.values()})
            share = st.column_config.NumberColumn(format="percent")
            st.dataframe(frame, hide_index=True, column_config={"gain": share})
    if elsewhere := result.get("elsewhere"):
        other = datasets.dataset(elsewhere["dataset"])
        st.markdown(
            f"Tried on {elsewhere['examples']:,} {other.unit} of **{ui.plain(other.title)}**, which it has never "
            f"learnt from, the same model got {elsewhere['accuracy']:.3f}."
        )


def figures(result: dict[str, Any]) -> None:
    test, control, gain = result["test"], result["control"], result["gain"]
    told = [
        ("Test accuracy", f"{test['accuracy']:.1%}", f"On {test['examples']:,} test examples."),
        ("95 % interval", interval(*test["interval"]), "Wilson's interval, over test examples."),
        ("From scratch", f"{control['accuracy']:.1%}" if control else "–", "The control's accuracy."),
        ("Gain", points(gain["gain"]) if gain else "–", reach(gain)),
        (
            "Macro precision",
            f"{test['macro_precision']:.3f}",
            "Of the answers that name a class, how many are right; averaged over classes.",
        ),
        (
            "Macro recall",
            f"{test['macro_recall']:.3f}",
            "Of a class's examples, how many it finds; averaged over classes.",
        ),
        (
            "Macro F1",
            f"{test['macro_f1']:.3f}",
            "Precision and recall in one (harmonic mean), averaged over classes.",
        ),
        ("Loss", f"{test['loss']:.3f}", "Cross-entropy on the test examples."),
    ]
    with st.container(horizontal=True, gap="medium"):
        for name, value, about in told:
            st.metric(name, value, help=about, width="content")


def interval(low: float, high: float) -> str:
    return f"{100 * low:.1f} – {100 * high:.1f} %"


def reach(gain: dict[str, Any] | None) -> str:
    if not gain:
        return "Needs the control."
    low, high = gain["interval"]
    return f"{100 * low:+.1f} to {100 * high:+.1f}: the 95 % interval over test examples, not over seeds."


def row(name: str, test: dict[str, Any], control: bool = False) -> tuple[str, float, float, float, bool]:
    return name, test["accuracy"], *test["interval"], control


def beside(others: list[Run], result: dict[str, Any]) -> None:
    """This run, its control, and other strategies that were tried on the same examples."""
    rows = [row(words.strategy(other.spec), (other.result or {})["test"]) for other in others if other.result]
    if result["control"]:
        rows.append(row("From scratch, the control", result["control"], control=True))
    if result.get("elsewhere"):
        title = datasets.dataset(result["elsewhere"]["dataset"]).title
        rows.append(row(f"The same model on {title}", result["elsewhere"]))
    if len(rows) > 1:
        st.subheader("Side by side", anchor=False)
        st.plotly_chart(
            charts.comparison(rows),
            key="beside",
            config=CALM,
            alt="; ".join(f"{name} {value:.1%}" for name, value, *_ in rows),
        )
        if len(others) > 1:
            st.caption("All on the same examples, with the same settings. Each might do better at a rate of its own.")


def next_step(run: Run, repeats: list[Run], every: list[Run]) -> None:
    """Repeat while there are too few seeds to tell; then try something else."""
    spec = run.spec
    coming = comparison.with_other_seeds(run, [other for other in every if not other.over])
    tried = {other.spec.seed for other in (*repeats, *coming)}
    fresh = [seed for seed in range(spec.seed, spec.seed + 12) if seed not in tried][: max(0, 6 - len(tried))]
    fresh = [seed for seed in fresh if spec.control and admission.possible(spec.revised(seed=seed))]
    if coming:
        st.caption(f"{len(coming)} more with other seeds in the queue.")
    with st.container(horizontal=True):
        if fresh and st.button(
            f"Repeat with {len(fresh)} more seed{'s' * (len(fresh) != 1)}",
            type="primary",
            icon=":material/repeat:",
            help="Six seeds can tell a difference from chance; one cannot.",
        ):
            ui.ask([spec.revised(seed=seed) for seed in fresh])
        kind: Literal["primary", "secondary"] = "secondary" if fresh else "primary"
        if st.button("Change it and run again", type=kind, icon=":material/tune:"):
            ui.replace(spec)
            ui.go("strategy")


def per_class(result: dict[str, Any], dataset: Dataset) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Which classes it confuses", anchor=False)
        st.plotly_chart(
            charts.confusion(result["test"]["confusion"], dataset.classes),
            key="confusion",
            config=CALM,
            alt="Confusion matrix, truth in rows",
        )
    with right:
        st.subheader("Each class", anchor=False)
        share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=110)
        st.dataframe(
            pd.DataFrame(result["test"]["classes"]),
            hide_index=True,
            height=min(720, 38 + 35 * len(dataset.classes)),
            column_config={
                "precision": share,
                "recall": share,
                "f1": share,
                "examples": st.column_config.NumberColumn(width=80),
            },
        )


def mistakes(run: Run, dataset: Dataset) -> None:
    st.subheader("What it got wrong, surest first", anchor=False)
    try:
        wrong = artefacts.mistakes(run)
    except DamagedArtefact as error:
        st.warning(f"{error}. All else is shown.", icon=":material/broken_image:")
        return
    answers = [dataset.classes[label] for label in wrong.answer]
    truths = [dataset.classes[label] for label in wrong.truth]
    if not answers:
        st.success("Nothing.", icon=":material/check:")
    elif dataset.is_image:
        first = list(zip(wrong.x, answers, truths, wrong.sure, strict=True))[:MISTAKES]
        gathering.in_a_row(
            [pictures.one(x, dataset.scale) for x, *_ in first], 136,
            [f"{truth}, taken for {answer}" for _, answer, truth, _ in first],
            [f"**{ui.plain(answer)}**, {sure:.0%} sure. It is {ui.plain(truth)}." for _, answer, truth, sure in first],
        )  # fmt: skip
    else:
        told = {"truth": truths, "answer": answers, "sure": [f"{sure:.0%}" for sure in wrong.sure]}
        rows = pd.DataFrame(wrong.x, columns=list(dataset.columns)).round(2)
        st.dataframe(pd.concat([pd.DataFrame(told), rows], axis=1), hide_index=True)


def copied(story: Story) -> None:
    receipt = story.receipt
    if not receipt or not receipt["copied"]["tensors"] + receipt["adapted"]["tensors"]:
        return
    st.subheader("What was copied into the network", anchor=False)
    st.markdown(ui.plain(receipt_sentence(receipt)))
    st.plotly_chart(
        charts.receipt(receipt), key="receipt", config=CALM, alt="Parameters copied, new and unused, a block"
    )
    with st.expander("Every tensor"):
        st.dataframe(pd.DataFrame(receipt["rows"]), hide_index=True)


def downloads(run: Run, story: Story, result: dict[str, Any]) -> None:
    st.subheader("Take it with you", anchor=False)
    with st.container(horizontal=True):
        try:
            st.download_button(
                "Model (.keras)",
                artefacts.model(run).read_bytes(),
                f"{run.id}.keras",
                on_click="ignore",
                icon=":material/neurology:",
                help="From raw inputs to probabilities, for Keras 3.",
            )
        except DamagedArtefact as error:
            st.warning(f"{error}.", icon=":material/broken_image:")
        st.download_button(
            "Numbers (CSV)",
            artefacts.numbers(story, result),
            f"{run.id}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/table:",
            help="Every epoch, and all test figures.",
        )
        st.download_button(
            "Spec (JSON)",
            artefacts.question(run.spec),
            f"{run.id}.json",
            "application/json",
            on_click="ignore",
            icon=":material/data_object:",
            help="The exact question, to be loaded again.",
        )
    with st.expander("The same from the command line, or from Python"):
        st.code(f"python -m tlcore run --spec {run.id}.json", language="bash")
        st.code(artefacts.script(run.spec), language="python")


def show(run: Run) -> None:
    story, dataset, result = ui.story(run.id), datasets.dataset(run.spec.dataset), run.result
    assert result
    if run.status == "stopped":
        st.info(
            "This run was stopped: these are the figures of what it had learnt until then.",
            icon=":material/stop_circle:",
        )
    st.markdown(f"#### {ui.plain(words.title(run))}")
    descent(run.spec.source, "this model")
    every = runs.all_runs()
    repeats = comparison.repeats(run, every)
    verdict(run, result, repeats)
    figures(result)
    next_step(run, repeats, every)
    beside(comparison.side_by_side(run, every), result)
    st.subheader("How it learnt", anchor=False)
    if story.control:
        st.caption(f"The control was trained before, by run {story.control}: nothing is trained twice.")
    st.plotly_chart(charts.learning_curves(story), key="curves", config=CALM, alt="Accuracy and loss by epoch")
    per_class(result, dataset)
    mistakes(run, dataset)
    copied(story)
    downloads(run, story, result)


with ui.page("Results", "Figures on test examples that no training has seen."):
    run = ui.opened(newest)
    if run and run.result:
        show(run)
    elif run and not run.over:
        st.info("This run is not over yet.", icon=":material/hourglass_top:")
        if st.button("Watch it train", type="primary", icon=":material/monitoring:"):
            ui.go("training", run.id)
    elif run:
        st.info(
            f"This run {'was lost' if run.status == 'lost' else run.status} and has no result.", icon=":material/info:"
        )
        if st.button("See what happened", type="primary", icon=":material/monitoring:"):
            ui.go("training", run.id)
    else:
        st.info("No result yet: train something first.", icon=":material/fact_check:")
        if st.button("Choose a dataset to begin", type="primary", icon=":material/dataset:"):
            ui.go("dataset")
