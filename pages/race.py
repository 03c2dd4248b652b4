"""Strategies, sources and seeds side by side, as one experiment."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import pandas as pd
import streamlit as st

import ui
from panels.board import Rows, draw
from panels.race import set_up
from panels.rename import rename
from tlcore import races, runs, standings, words, worker
from tlcore.database import DamagedHome
from tlcore.events import Story
from tlcore.races import Race
from tlcore.runs import LOST, Run, UnknownRun
from tlcore.spec import Refused


def newest() -> str | None:
    """What runs now, else what was asked last."""
    every = runs.all_runs(runs.RACE)
    return next((run.id for run in every if run.status == runs.RUNNING), every[0].id if every else None)


def asked(race: Run) -> str:
    """When it was asked for: two races may be called the same."""
    return f"{datetime.fromtimestamp(race.created):%d %b, %H:%M}"


def heading(shown: Run | None) -> None:
    """What the page is about, and the way to other races."""
    every = {run.id: run for run in runs.all_runs(runs.RACE)}
    now = shown.id if shown else ""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        name = f"{ui.plain(shown.label)}&ensp;{ui.BADGES[shown.status]}" if shown else "A new race"
        st.markdown(f"#### {name}")
        if not every:
            return
        chosen: str = st.selectbox(
            "Race", ["", *every], label_visibility="collapsed", width=320, **ui.shown("opened race", now),
            # Nothing that changes while it is shown: the browser would go on showing the old words.
            format_func=lambda race: f"{asked(every[race])} · {every[race].label}" if race in every else "A new race",
        )  # fmt: skip
    if chosen != now:
        ui.open_race(chosen)
        st.rerun()


def watch(race: Race, run: Run) -> None:
    """Look every second while it is under way; a new status starts the page over."""
    live = not run.over or runs.is_held(run.id)

    @st.fragment(run_every="1s" if live else None)
    def look() -> None:
        try:
            now = runs.get(run.id)
            worker.wake()
            draw(race, now, ui.story(run.id))
        except (UnknownRun, DamagedHome):  # deleted by another visitor, say: the page tells
            st.rerun()
        if live and now.over and not runs.is_held(run.id):
            st.rerun()

    look()


# When it is over


def verdict(race: Race, rows: Rows, halved: bool) -> None:
    """The answer in plain sentences, in the colour of its meaning."""
    if race.kind == races.SWEEP:
        st.info(f"**{ui.plain(words.depth_sentence(standings.by_depth(rows, race)))}**", icon=":material/layers:")
        return
    ran = [row for row in rows if row["members"]]
    said = ui.plain(words.race_sentence(ran, [standings.duel(ran[0], row) for row in ran[1:]]))
    gain = ran[0]["gain"] if ran else None
    if not gain or not gain["significant"]:
        st.info(f"**{said}**", icon=":material/balance:")
    elif gain["mean"] > 0:
        st.success(f"**{said}**", icon=":material/trending_up:")
    else:
        st.warning(f"**{said}**", icon=":material/trending_down:")
    if len(ran) > 1:
        st.caption(
            "Places are given by validation examples. Who picks the highest test figure out of several picks some luck "
            "with it: the best of several looks better than it is."
            + (" Who left early ran with fewer seeds, and is compared over those." if halved else "")
        )


def unhappy(run: Run, story: Story) -> None:
    """What a race that did not finish says for itself, and what failed within it."""
    if run.status == "failed" and story.failure:
        st.error(f"**It could not go on.** {ui.plain(story.failure['reason'])}", icon=":material/error:")
    elif run.status == LOST:
        st.error(
            "**The race was lost.** The engine ended before it was over: it was killed, ran out of memory, or the "
            "computer was switched off. Go on with it: what has finished is kept.", icon=":material/link_off:",
        )  # fmt: skip
    elif run.status == "stopped":
        st.info("Stopped. The runs that had finished are kept.", icon=":material/stop_circle:")
    reasons = list(dict.fromkeys(own["reason"] for own in story.members.values() if own.get("reason")))
    if reasons and run.status != "failed":
        st.warning("Some runs failed: " + " ".join(ui.plain(reason) for reason in reasons[:3]), icon=":material/error:")


def actions(race: Race, run: Run, rows: Rows) -> None:
    with st.container(horizontal=True):
        if not run.over:
            stopping = ui.story(run.id).stop_asked
            if st.button("Stopping …" if stopping else "Stop", icon=":material/stop_circle:", disabled=stopping,
                         help="The runs that have finished are kept."):  # fmt: skip
                runs.ask_to_stop(run.id)
                st.rerun()
            return
        if run.status != "finished":
            if st.button("Go on with it", type="primary", icon=":material/play_arrow:",
                         help="What has finished is taken as it is."):  # fmt: skip
                again(race)
        else:
            more = race.with_more_seeds()
            few, best = len(race.seeds) < races.ENOUGH, rows[0]["members"]
            if not few and race.kind == races.RACE and best and st.button(
                "See the winner's results", type="primary", icon=":material/arrow_forward:"
            ):  # fmt: skip
                ui.go("results", best[0]["run"])
            if st.button(f"Run again with {len(more.seeds)} seeds", type="primary" if few else "secondary",
                         icon=":material/repeat:", help="What has finished is taken as it is."):  # fmt: skip
                again(more)
        if st.button("Another race", icon=":material/flag:"):
            ui.open_race("")
            st.rerun()
        if st.button("Rename", type="tertiary", icon=":material/edit:"):
            rename(run)
        if st.button("Delete", type="tertiary", icon=":material/delete:"):
            delete(run)


def again(race: Race) -> None:
    try:
        ui.open_race(races.order(race))
    except Refused as error:
        ui.refusals(error.problems)
    else:
        st.rerun()


@st.dialog("Delete this race?")
def delete(run: Run) -> None:
    st.markdown("The race goes from the list. Its runs stay, with their models; delete them on the page *Runs*.")
    if st.button("Delete", type="primary", icon=":material/delete:"):
        with suppress(UnknownRun):
            runs.delete(run.id)
        ui.open_race("")
        st.rerun()


def every_run(race: Race, rows: Rows) -> None:
    """All runs of the race, by place or by depth; one that is ticked can be opened."""
    rows = sorted(rows, key=lambda row: int(row["competitor"])) if race.kind == races.SWEEP else rows
    listed = [{**own, "competitor": row["name"]} for row in rows for own in row["members"]]
    if not listed:
        return
    st.subheader("Every run", anchor=False)
    columns = ["competitor", "seed", "accuracy", "control", "gain", "validation", "run"]
    frame = pd.DataFrame(listed)[columns]
    frame["gain"] = 100 * frame["gain"].astype(float)
    share = st.column_config.NumberColumn(format="percent")
    picked = st.dataframe(
        frame, hide_index=True, key=f"members {hash(tuple(frame['run']))}", on_select="rerun",
        selection_mode="single-row", height=min(400, 38 + 35 * len(frame)),
        column_config={
            "accuracy": share, "control": st.column_config.NumberColumn("from scratch", format="percent"),
            "validation": share, "gain": st.column_config.NumberColumn("gain (points)", format="%+.1f"),
        },
    )  # fmt: skip
    chosen = [str(frame["run"].iloc[row]) for row in picked.selection.rows if row < len(frame)]
    if st.button("Open its results", icon=":material/open_in_new:", disabled=not chosen) and chosen:
        ui.go("results", chosen[0])


def downloads(race: Race, run: Run, rows: Rows) -> None:
    st.subheader("Take it with you", anchor=False)
    with st.container(horizontal=True):
        st.download_button("Numbers (CSV)", standings.numbers(rows), f"{run.id}.csv", "text/csv", on_click="ignore",
                           icon=":material/table:", help="Every run's figures.")  # fmt: skip
        st.download_button("Race (JSON)", race.to_json(), f"{run.id}.json", "application/json",
                           on_click="ignore", icon=":material/data_object:",
                           help="The exact question, to be asked again.")  # fmt: skip
    with st.expander("The same from the command line"):
        st.code(f"python -m tlcore race --race {run.id}.json", language="bash")


def show(run: Run) -> None:
    race, story = Race.from_json(run.question), ui.story(run.id)
    rows = standings.leaderboard(race, story)
    begun = any(row["members"] for row in rows)
    if run.over:
        unhappy(run, story)
        if begun:
            verdict(race, rows, bool(story.left))
    actions(race, run, rows)
    if begun or not run.over:
        watch(race, run)
    if run.over and begun:
        every_run(race, rows)
        downloads(race, run, rows)


with ui.page("Race", "Strategies and sources side by side on your data, over several seeds."):
    opened = ui.opened_race(newest)
    heading(opened)
    if opened:
        show(opened)
    else:
        set_up()
