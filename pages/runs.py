"""All runs: sort, filter, open, rename, delete, run again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pandas as pd
import streamlit as st

import ui
from panels.rename import rename
from tlcore import datasets, runs, words
from tlcore.catalogue import UnknownName
from tlcore.datasets import Dataset
from tlcore.runs import LOST, RUNNING, STATUSES, Run, UnknownRun
from tlcore.sources import Source, source
from tlcore.spec import Problem, Refused
from tlcore.strategies import STRATEGIES, Strategy


def table(listed: list[Run]) -> pd.DataFrame:
    lines: list[dict[str, object]] = []
    for run in listed:
        try:
            spec = run.spec
        except Refused:
            lines.append({"id": run.id, "name": name(run), "status": run.status})
            continue
        result = run.result or {}
        gain = (result.get("gain") or {}).get("gain")
        lines.append(
            {
                "when": datetime.fromtimestamp(run.created),
                "name": run.label,
                "status": run.status,
                "dataset": title(datasets.dataset, spec.dataset),
                "examples a class": spec.samples_per_class,
                "source": title(source, spec.source),
                "strategy": title(STRATEGIES.__getitem__, spec.strategy),
                "seed": spec.seed,
                "accuracy": result["test"]["accuracy"] if result else None,
                "from scratch": result["control"]["accuracy"] if result.get("control") else None,
                "gain": None if gain is None else 100 * gain,
                "id": run.id,
            }
        )
    return pd.DataFrame(lines)


def title(find: Callable[[str], Dataset | Source | Strategy], name: str) -> str:
    """What people call a dataset, a source or a strategy; its name where it is gone."""
    try:
        return find(name).title
    except UnknownName:
        return f"{name} (gone)"


def name(run: Run) -> str:
    try:
        return words.title(run)
    except (Refused, UnknownName):
        return run.label or "asked by another version"


def filtered(listed: list[Run]) -> list[Run]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wish = st.text_input(
            "Find", placeholder="a name, a dataset, a strategy …", key="find", icon=":material/search:"
        )
        wanted = st.pills("Status", STATUSES, selection_mode="multi", key="statuses")
    found = [run for run in listed if not wanted or run.status in wanted]
    return [
        run for run in found if all(w in f"{name(run)} {run.id} {run.question}".lower() for w in wish.lower().split())
    ]


@st.dialog("Delete for good?")
def delete(chosen: list[Run]) -> None:
    st.markdown("These runs go, with their models and figures. This cannot be undone.")
    st.markdown("\n".join(f"- {ui.plain(name(run))}" for run in chosen[:10]))
    if len(chosen) > 10:
        st.markdown(f"and {len(chosen) - 10} more")
    if any(f"run:{run.id}" in other.question for run in chosen for other in runs.unfinished() if other.status != LOST):
        st.warning("A run that waits or trains borrows from one of them.", icon=":material/warning:")
    if st.button("Delete", type="primary", icon=":material/delete:"):
        kept: list[Problem] = []
        for run in chosen:  # the newest first: what came from another goes before it
            try:
                runs.delete(run.id)
            except UnknownRun:  # gone already
                continue
            except Refused as error:
                kept += error.problems
        if kept:
            ui.refusals(tuple(kept))
        else:
            st.rerun()


def actions(chosen: list[Run]) -> None:
    one = chosen[0] if len(chosen) == 1 else None
    with st.container(horizontal=True):
        if st.button("Open", type="primary", icon=":material/open_in_new:", disabled=one is None) and one:
            ui.go("results" if one.result else "training", one.id)
        if st.button("Run again with changes", icon=":material/tune:", disabled=one is None) and one:
            try:
                ui.replace(one.spec)
            except Refused as error:
                ui.refusals(error.problems)
            else:
                ui.go("strategy")
        if (
            st.button(
                "Borrow from it",
                icon=":material/move_down:",
                disabled=one is None or one.status != "finished",
                help="Take this run's network as the source of the next one.",
            )
            and one
        ):
            ui.borrow_from(f"run:{one.id}")
            ui.go("strategy")
        if st.button("Rename", icon=":material/edit:", disabled=one is None) and one:
            rename(one)
        running = any(run.status == RUNNING for run in chosen)
        if st.button("Delete", icon=":material/delete:", disabled=not chosen or running) and chosen:
            delete(chosen)
    if not chosen:
        st.caption("Tick a run to open, rename, repeat or delete it.")


def raced() -> None:
    """The newest races; their runs are in the list."""
    newest = runs.all_runs(runs.RACE)[:5]
    if newest:
        st.subheader("Races", anchor=False)
    for race in newest:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(race.label, key=f"race {race.id}", type="tertiary", icon=":material/flag:"):
                ui.go("race", race.id)
            st.markdown(ui.BADGES[race.status])


with ui.page("Runs", "Everything that was asked so far, and what came of it."):
    every = runs.all_runs(runs.TRAIN, runs.SOURCE)
    if not every:
        st.info("No runs yet.", icon=":material/list:")
        if st.button("Choose a dataset to begin", type="primary", icon=":material/dataset:"):
            ui.go("dataset")
    else:
        listed = filtered(every)
        picked = st.dataframe(
            table(listed),
            hide_index=True,
            # What is ticked are row numbers: with other rows nothing may stay ticked.
            key=f"runs {hash(tuple(run.id for run in listed))}",
            on_select="rerun",
            selection_mode="multi-row",
            placeholder="",
            height=min(560, 38 + 35 * max(1, len(listed))),
            column_config={
                "when": st.column_config.DatetimeColumn(format="calendar"),
                "name": st.column_config.TextColumn(width=120),
                "examples a class": st.column_config.NumberColumn(
                    "examples", help="Examples a class; empty for all", format="%d"
                ),
                "source": st.column_config.TextColumn(width=150),
                "strategy": st.column_config.TextColumn(width=140),
                "accuracy": st.column_config.NumberColumn(format="percent"),
                "from scratch": st.column_config.NumberColumn(format="percent"),
                "gain": st.column_config.NumberColumn("gain (points)", format="%+.1f"),
            },
        )
        actions([listed[row] for row in picked.selection.rows if row < len(listed)])
        raced()
