"""A job that an engine does for a page: asked for, watched, cancelled, and its answer taken once."""

from __future__ import annotations

from typing import Any

import streamlit as st

import ui
from tlcore import runs, words, worker
from tlcore.runs import Run, UnknownRun


def begin(task: str, label: str, /, **question: Any) -> None:
    """Ask for a job, and remember that this visitor waits for it."""
    ui.wait_for(task, worker.order(task, label, **question))


def answer(task: str) -> dict[str, Any] | None:
    """Show the job of this kind that this visitor waits for; gives its answer, once."""
    job = ui.waited_for(task)
    if job is None:
        return None
    try:
        status = runs.get(job).status
    except UnknownRun:
        ui.wait_for(task, None)
        return None
    if status in (runs.WAITING, runs.RUNNING):
        watch(job)
        return None
    story = ui.story(job)
    if status == "finished":
        ui.wait_for(task, None)
        return story.result or {}
    if status != "stopped":
        reason = story.failure["reason"] if story.failure else "The engine ended before it was done; try again."
        st.error(ui.plain(reason), icon=":material/report:")
    return None


def latest(task: str, question: dict[str, Any]) -> Run | None:
    """The newest job that answered this very question; shows one that is still at it, or why it failed."""
    same = [own for own in runs.all_runs(task) if own.asks(question)]
    if not same or same[0].status == "finished":
        return same[0] if same else None
    answer(task)
    return None


def offer(task: str, label: str, button: str, icon: str, /, **question: Any) -> None:
    """A button for a job that anybody may have asked for: progress while it works, the reason when it failed."""
    same = [job for job in runs.all_runs(task) if job.label == label]
    if same and not same[0].over:
        watch(same[0].id)
        return
    if st.button(button, icon=icon, key=f"{task} {label}"):
        worker.order(task, label, **question)
        st.rerun()
    if same and (failure := ui.story(same[0].id).failure):
        st.error(ui.plain(failure["reason"]), icon=":material/cloud_off:")


@st.fragment(run_every="1s")
def watch(job: str) -> None:
    """How far a job is, with the time left; the page starts over when it has ended."""
    worker.wake()
    try:
        over = runs.get(job).over and not runs.is_held(job)
    except UnknownRun:
        over = True
    if over:
        st.rerun()
    story = ui.story(job)
    left = story.seconds_left()
    doing = story.doing() if story.began else "waiting for its turn"
    bar, stop = st.columns([5, 1], vertical_alignment="center")
    bar.progress(
        story.share_done,
        text=f"{doing[:1].upper()}{doing[1:]} …" + (f" {words.duration(left)} left" if left is not None else ""),
    )
    if stop.button("Cancel", key=f"cancel {job}", type="tertiary"):
        runs.ask_to_stop(job)
