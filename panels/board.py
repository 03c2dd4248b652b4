"""The standings of a race, while it runs and afterwards: how far it is, the figure, the table and the curves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import ui
from panels.race import blocks
from tlcore import charts, races, runs, standings, words
from tlcore.events import Story
from tlcore.races import Race
from tlcore.runs import Run

CALM = {"displayModeBar": False}
Rows = list[dict[str, Any]]


def draw(race: Race, run: Run, story: Story) -> None:
    """How far it is, the standings so far, and how the competitors learn."""
    rows = standings.leaderboard(race, story)
    if not run.over:
        bar(run, story)
    board(race, rows, live=not run.over)


def bar(run: Run, story: Story) -> None:
    inner = standings.under_way(story)
    own = ui.story(inner) if inner else None
    share, left = standings.progress(story, own)
    if run.status == runs.WAITING:
        text = "Waiting for its turn …"
    else:
        done, of = story.progress.get("done", 0), story.progress.get("of", 0)
        now = ui.plain(story.doing()) + (f": {ui.plain(own.doing())}" if own and not own.end else "")
        text = f"{done} of {of} runs · {now}" + (f" · {words.duration(left)} left" if left is not None else "")
    st.progress(share, text=text)


def board(race: Race, rows: Rows, *, live: bool = False) -> None:
    """The figure, the table, and the curves."""
    begun = [row for row in rows if row["members"]]
    if not begun:
        names = words.listed([ui.plain(row["name"]) for row in rows])
        who = "" if race.kind == races.SWEEP else f" In the race: {names}."
        st.caption(f"The standings appear here with the first result.{who}")
        return
    if race.kind == races.SWEEP:
        found = standings.by_depth(rows, race)
        st.plotly_chart(
            charts.depth(found, len(race.competitors) // 2, blocks(race.spec)), key="depth", config=CALM,
            alt=words.depth_sentence(found),
        )  # fmt: skip
        st.caption("The bands are 95 % intervals of the difference to scratch, paired by seed.")
        with st.expander("The numbers"):
            table(rows)
        return
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.subheader("What each gains over scratch", anchor=False)
        st.plotly_chart(
            charts.gains([row for row in rows if row["gain"] or live]), key="gains", config=CALM,
            alt="; ".join(f"{row['name']} {words.points(row['gain']['mean'])}" for row in begun if row["gain"]),
        )  # fmt: skip
        st.caption("A dot is one seed, the diamond their mean, with its 95 % interval.")
    with right:
        st.subheader("How they learn", anchor=False)
        st.plotly_chart(
            charts.race_curves(rows, race.spec.epochs), key="race curves", config=CALM,
            alt="Validation accuracy by epoch, mean over seeds, one line for each competitor",
        )  # fmt: skip
    st.subheader("Leaderboard", anchor=False)
    table(rows)


def table(rows: Rows) -> None:
    """Places by validation accuracy, with the test figures beside them."""
    remarks = any(map(remark, rows))
    lines = [
        {
            "place": place if row["members"] else None, "competitor": row["name"],
            "seeds": len(row["members"]), "validation": row["validation"],
            "test": row["accuracy"],
            "gain": round(100 * row["gain"]["mean"], 1) + 0.0 if row["gain"] else None,  # and no −0.0
            "interval": reach(row["gain"]), "a run takes": words.duration(row["seconds"]) if row["seconds"] else "",
            **({"remark": remark(row)} if remarks else {}),
        }
        for place, row in enumerate(rows, 1)
    ]  # fmt: skip
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(lines), hide_index=True, placeholder="",
        column_config={
            "place": number(width=60), "seeds": number(width=60),
            "validation": number(format="percent", help="On examples kept apart for choosing; it decides the place."),
            "test": number(format="percent", help="On examples that nothing was chosen by."),
            "gain": number("gain (points)", format="%+.1f", help="Over the same network from scratch, mean of seeds."),
            "interval": st.column_config.TextColumn(
                "95 % interval", help="Where the gain most likely lies, by how it differs from seed to seed "
                "(Student's t)."),
        },
    )  # fmt: skip


def reach(gain: dict[str, Any] | None) -> str:
    """An interval in points."""
    if not gain or not gain["interval"]:
        return ""
    low, high = gain["interval"]
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def remark(row: dict[str, Any]) -> str:
    """What else is to be known of a competitor."""
    n = row["left"]
    told = [f"left after {n} seed{'s' * (n != 1)}"] if n is not None else []
    told += [f"{row['failed']} without a result"] if row["failed"] else []
    return ", ".join(told)
