"""What was found in a person's own dataset, and what to do about it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

import gathering
import ui
from tlcore import charts, runs, uploads, words, worker
from tlcore.datasets import Own, library
from tlcore.datasets.library import Import, Version

LEVELS = {
    "stop": ":red[:material/block:]",
    "warning": ":orange[:material/warning:]",
    "note": ":blue[:material/info:]",
}
PART_NAMES = {"": "for learning", "train": "for learning", "validation": "for validation", "test": "for the test"}
MOST_GROUPS, MOST_PICTURES, MOST_NAMES, MOST_SAMPLES = 4, 6, 1000, 40
THUMBNAIL = 96


@st.cache_resource(max_entries=4, show_spinner=False)
def stated(dataset: str, number: int) -> pd.DataFrame:
    """All entries of one version, which never changes."""
    return library.stated(dataset, number)


# Heading


def heading(own: Own, whole: Import, said: Version) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.subheader(ui.plain(whole.label), anchor=False, width="content")
            if st.button("", icon=":material/edit:", type="tertiary", help="Rename", key="rename"):
                gathering.rename_dataset(whole)
        stopped = any(finding["level"] == "stop" for finding in said.health["findings"])
        if st.button("Use this dataset", type="primary", icon=":material/arrow_forward:", disabled=stopped,
                     help="What stands in the way is said below." if stopped else None):  # fmt: skip
            ui.choose_dataset(own.name)
            ui.go("dataset")
    facts = own.facts()
    with st.container(horizontal=True, gap="medium"):
        st.metric(own.unit.capitalize(), words.count(facts.examples), width="content")
        st.metric("Classes", words.count(len(own.classes)), width="content")
        if own.is_image:
            st.metric("Kept at", f"{whole.shape[0]} × {whole.shape[1]}", width="content")
        else:
            counted = "Columns, once words are numbers: a column of words becomes one for each word."
            st.metric("Features", words.count(own.shape[0]), width="content", help=counted)
        st.metric("On disk", uploads.in_words(library.size_on_disk(whole.id)), width="content")
        versions(whole, said)


def versions(whole: Import, said: Version) -> None:
    every = whole.versions[::-1]
    if len(every) == 1:
        return
    chosen = st.selectbox(
        "Version", every, every.index(said.number), key=f"version {whole.id}@{said.number}", width=360,
        format_func=lambda number: f"{number}: {library.version(whole.id, number).note}",
    )  # fmt: skip
    if chosen != said.number:
        show(whole.id, chosen)


def show(dataset: str, number: int) -> None:
    st.query_params["dataset"] = f"{dataset}@{number}"
    st.rerun()


# A new version


def change(said: Version, whole: Import, action: str, **about: Any) -> None:
    """Ask for a version with one thing changed, and wait for it."""
    job = worker.order(runs.REVISE, whole.label, dataset=whole.id, version=said.number, change=action, **about)
    ui.wait_for(runs.REVISE, job)
    ui.remember("version before", said.number)
    st.rerun()


@st.fragment(run_every="1s")
def watch(job: str) -> None:
    worker.wake()
    if runs.get(job).over:
        st.rerun()
    st.status("Making the new version, and checking it …", state="running")


def changed(whole: Import, said: Version) -> bool:
    """Say what a change came to; whether one is still being made."""
    waited = ui.waited_for(runs.REVISE)
    if not waited or whole.id not in (job := runs.get(waited)).question:
        return False
    if not job.over:
        watch(waited)
        return True
    if job.result and ui.recall("version shown") != waited:
        ui.remember("version shown", waited)
        show(whole.id, job.result["version"])
    if job.result and job.result["version"] == said.number:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.success(f"{ui.plain(said.note)} This is version {said.number} now.", icon=":material/check:")
            if st.button("Undo", icon=":material/undo:", help="Back to the version before; all versions are kept."):
                ui.wait_for(runs.REVISE, None)
                show(whole.id, ui.recall("version before"))
    elif failure := ui.story(waited).failure:
        st.error(f"**That could not be done.** {ui.plain(failure['reason'])}", icon=":material/report:")
    elif job.status == runs.LOST:
        st.error("**That was lost.** The engine ended before it was over: try once more.", icon=":material/link_off:")
    return False


# Findings


def findings(own: Own, whole: Import, said: Version) -> None:
    found = said.health["findings"]
    if not found:
        st.success("Nothing to worry about was found.", icon=":material/check_circle:")
    for place, finding in enumerate(found):
        with st.container(border=True):
            st.markdown(f"{LEVELS[finding['level']]} **{ui.plain(finding['title'])}**")
            st.markdown(ui.plain(finding["sentence"]))
            if finding["groups"]:
                groups(own, whole, said, finding, place)
            elif finding["positions"]:
                pictures(own, whole, said, finding["positions"][:MOST_PICTURES])
            remedies(whole, said, finding, place)
            names(whole, said, finding["positions"], place)
            if finding["kind"] == "skipped":
                skipped(whole)


def captions(whole: Import, entries: pd.DataFrame) -> list[str]:
    """Class and part of entries."""
    return [
        ui.plain(whole.classes[label]) + (f" · {part}" if part else "")
        for label, part in zip(entries.label, entries.part, strict=True)
    ]


def pictures(own: Own, whole: Import, said: Version, positions: list[int]) -> None:
    entries = stated(whole.id, said.number).iloc[positions]
    if own.is_image:
        shown = library.pixels(whole.id)[entries.row.to_numpy()]
        gathering.in_a_row(shown, THUMBNAIL, [*entries.name], captions(whole, entries))


def groups(own: Own, whole: Import, said: Version, finding: dict[str, Any], place: int) -> None:
    """The same or nearly the same, side by side; where they stand in several classes, one click says which is right."""
    movable = next((remedy for remedy in finding["remedies"] if remedy["action"] == "move"), None)
    for number, group in enumerate(finding["groups"][:MOST_GROUPS]):
        with st.container(horizontal=True, vertical_alignment="center"):
            pictures(own, whole, said, group[:MOST_PICTURES])
            for label in movable["labels"][number] if movable else ():
                if st.button(f"All are {ui.plain(whole.classes[label])}", key=f"move {place} {number} {label}"):
                    change(said, whole, "move", positions=group, label=label)
    if len(finding["groups"]) > MOST_GROUPS:
        st.caption(f"The first {MOST_GROUPS} of {words.count(len(finding['groups']))} groups.")


def remedies(whole: Import, said: Version, finding: dict[str, Any], place: int) -> None:
    with st.container(horizontal=True):
        for remedy in finding["remedies"]:
            key = f"remedy {place} {remedy['action']}"
            if remedy["action"] == "leave out" and st.button(remedy["words"], key=key, icon=":material/remove:"):
                change(said, whole, "leave out", positions=remedy["positions"])
            if remedy["action"] == "take as one" and st.button(remedy["words"], key=key, icon=":material/merge:"):
                change(said, whole, "take as one", groups=remedy["groups"])


def names(whole: Import, said: Version, positions: list[int], place: int) -> None:
    if not positions:
        return
    with st.expander(f"Which they are ({words.count(len(positions))})", key=f"names {place}"):
        entries = stated(whole.id, said.number).iloc[positions[:MOST_NAMES]]
        table = pd.DataFrame({"name": entries.name, "class": [whole.classes[label] for label in entries.label]})
        if said.validation or said.test:
            table["part"] = [PART_NAMES[part] for part in entries.part]
        st.dataframe(table, hide_index=True, height="auto")


# What is in it


def sizes(own: Own, said: Version) -> None:
    parts = {"for learning": said.counts, "for validation": said.validation, "for the test": said.test}
    st.plotly_chart(
        charts.class_sizes(own.classes, {name: counts for name, counts in parts.items() if counts}),
        key="sizes", config={"displayModeBar": False},
        alt=f"{min(said.counts)} to {max(said.counts)} {own.unit} a class to learn from",
    )  # fmt: skip


def found_out(own: Own, whole: Import, said: Version) -> None:
    lines = [*map(ui.plain, whole.notes)]
    if whole.passed_over:
        told = ", ".join(f"{ui.plain(reason)} ({words.count(count)})" for reason, count in whole.passed_over.items())
        lines.append(f"Passed over: {told}.")
    if said.health["sizes"]:
        smallest, median, largest = (f"{width} × {height}" for width, height in said.health["sizes"])
        lines.append(
            f"All originals are {smallest} pixels large." if smallest == largest
            else f"The originals are {smallest} to {largest} pixels large, half of them up to {median}."
        )  # fmt: skip
    lines.append(f"It came from {ui.plain(whole.origin)}.")
    st.markdown("**What was found out on the way**")
    st.markdown("\n".join(f"- {line}" for line in lines))


def samples(own: Own) -> None:
    preview = own.preview()
    if preview is None:
        return
    with st.expander("First pictures" if own.is_image else "First rows", expanded=not own.is_image):
        if own.is_image:
            names = [own.classes[label] for label in preview.y[:MOST_SAMPLES]]
            gathering.in_a_row(preview.x[:MOST_SAMPLES], THUMBNAIL, names, [*map(ui.plain, names)])
        else:
            frame = pd.DataFrame(preview.x[:, :30], columns=list(own.columns[:30]) or None).round(3)
            frame.insert(0, "class" if "class" not in frame else "class (to tell)", [own.classes[n] for n in preview.y])
            st.dataframe(frame, hide_index=True)


def label_column(whole: Import) -> None:
    """Another column can be what is to be told."""
    others = [column for column in whole.label_candidates if column != whole.label_column]
    if not others or uploads.original(whole.id) is None:
        return
    with st.container(border=True):
        st.markdown(f"The class is what the column **{ui.plain(whole.label_column or '')}** says.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            column = st.selectbox("Take another column", others, key="label column")
            if st.button("Import again with it", icon=":material/replay:"):
                ui.wait_for(runs.IMPORT, uploads.relabel(whole.id, column))
                ui.go("intake")


def skipped(whole: Import) -> None:
    table = pd.DataFrame(whole.skipped, columns=["file", "reason"])
    with st.expander(f"Which they are ({words.count(len(table))})", key="skipped"):
        st.dataframe(table, hide_index=True, height="auto")
        st.download_button(
            "Download as CSV", table.to_csv(index=False), "skipped.csv", "text/csv", icon=":material/download:"
        )


def wanted() -> str | None:
    """The dataset that the address names, else the newest."""
    every = library.ids()
    return st.query_params.get("dataset") or (every[0] if every else None)


with ui.page("Health check", "What to know about your data before anything learns from it."):
    name = wanted()
    if name is None:
        st.info("You have brought no data yet.", icon=":material/health_metrics:")
        if st.button("Bring your own data", type="primary", icon=":material/upload_file:"):
            ui.go("intake")
    else:
        own = library.card(name)
        whole, said = library.imported(name), library.version(own.import_id, own.version)
        if st.query_params.get("again"):
            st.info("The very same data was here already, so it was not kept twice.", icon=":material/content_copy:")
        heading(own, whole, said)
        if not changed(whole, said):
            left, right = st.columns([3, 2], gap="large")
            with left:
                label_column(whole)
                findings(own, whole, said)
            with right:
                sizes(own, said)
                found_out(own, whole, said)
            samples(own)
