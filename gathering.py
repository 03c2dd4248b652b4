"""What both pages about a person's own data show: pictures gathered class by class, and rows of small pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

import ui
from tlcore import uploads, words
from tlcore.bundle import Bundle
from tlcore.datasets import library
from tlcore.spec import Refused

MEGABYTES = 1000  # of one upload, which passes through the server's memory; more comes from a folder on this computer


def brought(kind: str) -> str:
    """The id of what this visitor brings now, from the address, so that a refresh loses nothing."""
    found = st.query_params.get(kind) or ui.recall(kind) or ""
    if found:
        take(kind, found)
    return found


def take(kind: str, upload: str) -> None:
    """Go on with an upload; with none where the id is empty."""
    ui.remember(kind, upload)
    if upload:
        st.query_params[kind] = upload
    else:
        st.query_params.pop(kind, None)


def release(files: Iterable[UploadedFile]) -> None:
    """Give the memory of uploaded files back: Streamlit holds each one until its visitor leaves."""
    context = get_script_run_ctx()
    for file in files:
        if context and hasattr(context.uploaded_file_mgr, "remove_file"):
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


def bundle() -> Bundle | None:
    return Bundle.find(brought("bundle"))


def in_a_row(pictures: Iterable[Any], width: int, alts: Sequence[str], captions: Sequence[str] | None = None) -> None:
    """Small pictures side by side; captions are Markdown."""
    with st.container(horizontal=True, gap="small" if captions else "xsmall", width="content"):
        for place, picture in enumerate(pictures):
            st.image(picture, captions[place] if captions else None, width=width, alt=alts[place])


def name_a_class(own: Bundle | None) -> None:
    with (
        st.form("name a class", clear_on_submit=True, border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        wanted = st.text_input(
            "Name a class", max_chars=80, placeholder="tulip" if own else "daisy",
            help="A class is one of the answers to choose between.",
        )  # fmt: skip
        if st.form_submit_button("Add class", icon=":material/add:") and wanted.strip():
            own = own or Bundle.begin()
            take("bundle", own.id)
            try:
                ui.remember("class", own.name(wanted))
            except Refused as error:
                ui.refusals(error.problems)
            else:
                st.rerun()


def class_by_class() -> None:
    own = bundle()
    name_a_class(own)
    counts = own.counts() if own else {}
    if not own or not counts:
        st.info("Name the first class, then drop its pictures. Two classes are needed.", icon=":material/category:")
        return
    columns = st.columns(2)
    for place, (name, count) in enumerate(counts.items()):
        with columns[place % 2], st.container(border=True):
            class_heading(own, name, count)
            files = st.file_uploader(
                f"Pictures of {ui.plain(name)}", [ending.lstrip(".") for ending in uploads.PICTURES],
                accept_multiple_files=True, key=f"drop {own.id} {name} {count}", label_visibility="collapsed",
                max_upload_size=MEGABYTES,
            )  # fmt: skip
            if files:
                gather(own, name, files)
            thumbnails(own, name)


def class_heading(own: Bundle, name: str, count: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{ui.plain(name)}** :gray[{words.count(count)}]")
        with st.container(horizontal=True, width="content", gap="small"):
            if st.button("", key=f"undo {name}", icon=":material/undo:", type="tertiary", disabled=not count,
                         help="Take the last picture out again"):  # fmt: skip
                own.undo(name)
                st.rerun()
            if st.button("", key=f"rename {name}", icon=":material/edit:", type="tertiary", help="Rename the class"):
                rename_class(own, name)
            if st.button("", key=f"remove {name}", icon=":material/delete:", type="tertiary",
                         help="Remove the class and its pictures"):  # fmt: skip
                own.remove(name)
                st.rerun()


def thumbnails(own: Bundle, name: str) -> None:
    if small := own.thumbnails(name):
        in_a_row(small, 64, [f"A picture of {name}"] * len(small))


def gather(own: Bundle, name: str, files: list[UploadedFile]) -> None:
    try:
        for file in files:
            own.add(name, file.name, file.getvalue())
    except Refused as error:
        ui.refusals(error.problems)
        return
    finally:
        release(files)
    st.rerun()


@st.dialog("Rename the class")
def rename_class(own: Bundle, name: str) -> None:
    wanted = st.text_input("Name", name, max_chars=80)
    if st.button("Save", type="primary"):
        try:
            own.rename(name, wanted)
        except Refused as error:
            ui.refusals(error.problems)
        else:
            st.rerun()


def camera() -> None:
    own = bundle()
    name_a_class(own)
    counts = own.counts() if own else {}
    if not own or not counts:
        st.info("Name the first class, then photograph what belongs to it.", icon=":material/photo_camera:")
        return
    recent = ui.recall("class")
    # With another class the choice begins anew, from the class that was named last.
    chosen = st.pills(
        "What do you photograph now?", [*counts], default=recent if recent in counts else next(iter(counts)),
        format_func=lambda name: f"{ui.plain(name)} ({words.count(counts[name])})", required=True,
        key=f"photographed {[*counts]}",
    )  # fmt: skip
    name = chosen if chosen in counts else next(iter(counts))
    ui.remember("class", name)
    left, right = st.columns([3, 2])
    with left:
        snapshot = st.camera_input(
            f"Photograph {ui.plain(name)}", key=f"snap {own.id} {name} {counts[name]}", label_visibility="collapsed"
        )
    if snapshot is not None:
        gather(own, name, [snapshot])
    with right:
        class_heading(own, name, counts[name])
        thumbnails(own, name)
        st.caption("Change the angle, the distance and the background from picture to picture.")


@st.dialog("Rename")
def rename_dataset(whole: library.Import) -> None:
    label = st.text_input("Name", whole.label, max_chars=200)
    if st.button("Save", type="primary"):
        library.rename(whole.id, label)
        st.rerun()
