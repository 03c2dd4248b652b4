"""Watch a run as it trains."""

from __future__ import annotations

import time

import streamlit as st

import ui
from tlcore import artefacts, charts, datasets, runs, words, worker
from tlcore.database import DamagedHome
from tlcore.events import TRANSFER, Story
from tlcore.runs import LOST, RUNNING, WAITING, Run, UnknownRun


def newest() -> str | None:
    """What runs now, else what was asked last."""
    every = runs.all_runs()
    return next((run.id for run in reversed(every) if run.status == RUNNING), every[0].id if every else None)


def followed(story: Story) -> tuple[Story, str]:
    """The story to draw: the source's own while it is trained on the way, with a word about that."""
    if story.stage.get("stage") == "source" and not story.end:
        name = runs.get(story.stage["run"]).label.removeprefix("Source: ")
        return ui.story(
            story.stage["run"]
        ), f"First the source, *{ui.plain(name)}*, is trained. It is kept: next time this is skipped."
    return story, ""


def figures(run: Run, story: Story) -> None:
    left = None if run.over else story.seconds_left()
    last = story.epochs[-1] if story.epochs else None
    told = {
        "Time left": words.duration(left) if left is not None else ("–" if run.over else "…"),
        "So far": words.duration(story.seconds_so_far(None if run.over else time.time())),
        "Speed": f"{last['rate']:,.0f} {datasets.dataset(run.spec.dataset).unit}/s" if last else "…",
    }
    for arm in story.arms:
        own = [epoch for epoch in story.epochs if epoch["arm"] == arm]
        name = (
            f"{'Transfer' if arm == TRANSFER else 'From scratch'}, validation" if len(story.arms) > 1 else "Validation"
        )
        told[f"{name} accuracy"] = f"{own[-1]['val_accuracy']:.1%}" if own else "–"
    with st.container(horizontal=True, gap="medium"):
        for name, value in told.items():
            st.metric(name, value, width="content")


def draw(run: Run, story: Story) -> None:
    shown, about = followed(story)
    if run.status == WAITING:
        ahead = [
            other for other in runs.unfinished() if other.created < run.created and other.status in (WAITING, RUNNING)
        ]
        st.progress(0.0, text=f"Waiting: {len(ahead)} before this one" if ahead else "Starting the engine …")
    else:
        text = run.status if run.over else shown.doing()
        st.progress(
            shown.share_done, text=f"{text[:1].upper()}{text[1:]}" + (f" · on {shown.device}" if shown.device else "")
        )
    if about := about or words.front_sentence(shown.stage):
        st.caption(about)
    figures(run, shown)
    if shown.epochs or run.status in (WAITING, RUNNING):
        st.plotly_chart(
            charts.learning_curves(shown),
            key="curves",
            config={"displayModeBar": False},
            alt=f"Accuracy and loss after {words.epochs(len(shown.epochs))}",
        )


def outcome(run: Run, story: Story) -> None:
    """What a run that did not finish says for itself."""
    if run.status == "failed" and story.failure:
        st.error(f"**It could not go on.** {ui.plain(story.failure['reason'])}", icon=":material/error:")
        with st.expander("Details"):
            st.code(story.failure["details"], language=None)
    elif run.status == LOST:
        st.error(
            "**The run was lost.** The engine ended before it was over: it was killed, ran out of memory, or the "
            "computer was switched off. Nothing else was harmed; run it again.",
            icon=":material/link_off:",
        )
    elif run.status == "stopped":
        kept = artefacts.has_model(run)
        st.info(
            "Stopped. " + ("What was learnt until then is kept." if kept else "Nothing had been learnt yet."),
            icon=":material/stop_circle:",
        )


def actions(run: Run) -> None:
    if not run.over:
        stopping = ui.story(run.id).stop_asked
        label = "Stopping …" if stopping else "Stop"
        if st.button(label, icon=":material/stop_circle:", disabled=stopping, help="What was learnt so far is kept."):
            runs.ask_to_stop(run.id)
            st.rerun()
        return
    if run.result:
        if st.button("See the result", type="primary", icon=":material/arrow_forward:"):
            ui.go("results", run.id)
    elif st.button("Run it again", type="primary", icon=":material/replay:"):
        ui.ask([run.spec])
    if st.button("Change it and run again", icon=":material/tune:"):
        ui.replace(run.spec)
        ui.go("strategy")


def queue(shown: Run) -> None:
    others = [run for run in runs.unfinished() if run.status in (WAITING, RUNNING) and run.task == runs.TRAIN]
    if len(others) < 2 and all(run.id == shown.id for run in others):
        return
    st.subheader("Queue", anchor=False)
    for run in others:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{ui.BADGES[run.status]} {ui.plain(words.title(run))}")
            if run.id != shown.id and st.button("Watch", key=f"watch {run.id}", type="tertiary"):
                ui.open_run(run.id)
                st.rerun()
            if run.status == WAITING and st.button("Remove from queue", key=f"take out {run.id}", type="tertiary"):
                runs.ask_to_stop(run.id)
                st.rerun()


def heading(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"#### {ui.plain(words.title(run))}&ensp;{ui.BADGES[run.status]}")
        actions(run)


def alive(run: Run) -> bool:
    """Whether there is anything to wait for: this run, the engine that still writes its answer, or the queue."""
    return not run.over or runs.is_held(run.id) or bool(runs.waiting())


def watch(run: Run) -> None:
    """Look every second while there is something to wait for; a new status starts the page over."""
    live = alive(run)

    @st.fragment(run_every="1s" if live else None)
    def look() -> None:
        try:
            now = runs.get(run.id)
            worker.wake()
            draw(now, ui.story(run.id))
        except (UnknownRun, DamagedHome):  # deleted by another visitor, say: the page tells
            st.rerun()
        if live and (now.status != run.status or not alive(now)):
            st.rerun()

    look()


with ui.page("Training", "It goes on whether or not this page is open."):
    run = ui.opened(newest)
    if run is None:
        st.info("Nothing has been trained yet.", icon=":material/monitoring:")
        if st.button("Choose a dataset to begin", type="primary", icon=":material/dataset:"):
            ui.go("dataset")
    else:
        heading(run)
        watch(run)
        outcome(run, ui.story(run.id))
        queue(run)
