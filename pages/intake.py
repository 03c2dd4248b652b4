"""Bring data of one's own: as a file, class by class, from a camera, or from a folder."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import gathering
import ui
from tlcore import runs, uploads, words, worker
from tlcore.bundle import Bundle
from tlcore.datasets import Damaged, Own, library
from tlcore.runs import Run
from tlcore.spec import Refused
from tlcore.uploads import Kept

WAYS = {
    "file": ":material/folder_zip: A file",
    "classes": ":material/category: Class by class",
    "camera": ":material/photo_camera: Camera",
    "folder": ":material/drive_folder_upload: A folder",
    "computer": ":material/hard_drive: On this computer",
}
SIZES = (32, 48, 64, 96, 128, 160, 224)
TREE = """flowers
├── daisy
│   ├── IMG_1.jpg
│   └── IMG_2.jpg
└── tulip
    └── IMG_3.jpg"""
TABLE = """length   colour   kind
   4.2   white    daisy
   9.1   red      tulip
   4.0   white    daisy
   8.7   yellow   tulip
   3.9   white    daisy"""
DIVIDED = "Folders named *train*, *validation* and *test* around the classes are kept as these parts."
MOST_CARDS = 12


def kept_file() -> Kept | None:
    return uploads.kept(gathering.brought("upload"))


# Ways to bring something


def a_file() -> None:
    if held := kept_file():
        show_kept(held)
    else:
        file = st.file_uploader(
            "A zip of pictures, a table or arrays", [ending.lstrip(".") for ending in uploads.FILES],
            key=ui.fresh("upload"), max_upload_size=gathering.MEGABYTES,
        )  # fmt: skip
        if file is not None:
            hold([file], folder=False)
    left, right = st.columns(2)
    with left:
        st.markdown("**Pictures**: a zip, one folder a class")
        st.code(TREE.replace("flowers", "flowers.zip"), language=None)
        st.caption(DIVIDED)
    with right:
        st.markdown("**A table**: a row an example, a column for its class")
        st.code(TABLE, language=None)
        st.caption("CSV, Excel, Parquet or OpenDocument. NumPy arrays: *x* and *y* in one .npz.")


def a_folder() -> None:
    if held := kept_file():
        show_kept(held)
    else:
        files = st.file_uploader(
            "A folder with one folder for each class inside",
            [ending.lstrip(".") for ending in (*uploads.PICTURES, ".csv", ".tsv")],
            accept_multiple_files="directory", key=ui.fresh("upload"), max_upload_size=gathering.MEGABYTES,
        )  # fmt: skip
        if files:
            hold(files, folder=True)
    st.code(TREE, language=None)
    st.caption(f"{DIVIDED} Some thousand pictures are too many for this way: take a zip, or *On this computer*.")


def hold(files: list[UploadedFile], *, folder: bool) -> None:
    """Move what was uploaded from memory to disk."""
    try:
        with st.spinner("Keeping it …"):
            if folder:
                path = uploads.keep_folder((file.name, file) for file in files)
            else:
                path = uploads.keep(files[0].name, files[0])
    except Refused as error:
        ui.refusals(error.problems)
        return
    finally:
        gathering.release(files)
    gathering.take("upload", path.parent.name)
    ui.renew("upload")
    st.rerun()


def show_kept(held: Kept) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        icon = ":material/table:" if held.is_table else ":material/folder_zip:"
        st.markdown(
            f"{icon} **{ui.plain(held.origin)}** · {uploads.in_words(held.size)} :green-badge[:material/check: here]"
        )
        if st.button("Take another", type="tertiary", icon=":material/close:"):
            uploads.forget(held.id)
            gathering.take("upload", "")
            ui.wait_for(runs.IMPORT, None)
            st.rerun()


def on_this_computer() -> str:
    loopback = uploads.on_loopback(st.get_option("server.address"), st.context.headers)
    wanted = st.text_input(
        "Path of a folder or file", placeholder="/home/me/leaves", key=ui.fresh("path"), persist_state="session"
    )
    where = "the computer that you sit at" if loopback else "the computer that this server runs on"
    st.caption(f"For large data: it is read where it lies, on {where}, and is left as it is. A folder holds one folder "
               f"for each class. {DIVIDED}")  # fmt: skip
    if not loopback:
        roots = ", ".join(f"`{root}`" for root in uploads.allowed_roots())
        st.caption(f"This server may read: {roots}." if roots else "This server may read no folder yet: whoever runs "
                   "it names those that it may in TLCORE_FOLDERS.")  # fmt: skip
    st.code(TREE, language=None)
    return wanted


# From what was brought to a dataset


def settings(way: str, place: str) -> None:
    """Name, size and label, and the button."""
    held = kept_file() if way in ("file", "folder") else None
    own = gathering.bundle() if way in ("classes", "camera") else None
    table = held is not None and held.is_table
    label = st.text_input(
        "Name of the dataset", max_chars=200, placeholder=own.title if own else "after its file",
        key=ui.fresh("dataset name"), persist_state="session",
    )  # fmt: skip
    size = None if table else st.selectbox(
        "Size of the pictures", SIZES, SIZES.index(96), key="size", persist_state="session",
        format_func=lambda side: f"{side} × {side} pixels",
        help="Each picture is brought to this size for the network. Smaller is faster. The originals are kept: "
        "other sizes can be made later.",
    )  # fmt: skip
    labels, column = None, ""
    if way in ("file", "folder", "computer"):
        with st.expander("More, if you need it"):
            if not table:
                labels = st.file_uploader(
                    "A table that names each picture's class", ["csv", "tsv", "txt"], key=ui.fresh("labels"),
                    max_upload_size=gathering.MEGABYTES, help="For pictures that do not lie in folders of classes: a "
                    "CSV with a column of file names and a column of classes.",
                )  # fmt: skip
            column = st.text_input(
                "Column that names the class", placeholder="is found by itself", key=ui.fresh("label column"),
                persist_state="session",
                help="It is guessed, and can be changed after the import on the health check.",
            )  # fmt: skip
    ready, why = readiness(way, held, own, place)
    if st.button("Import and check", type="primary", icon=":material/arrow_forward:", disabled=not ready,
                 width="stretch", help=why or None):  # fmt: skip
        order(held, own, place, label, size, labels, column)
    if why:
        st.caption(why)


def readiness(way: str, held: Kept | None, own: Bundle | None, place: str) -> tuple[bool, str]:
    """Whether it can be imported, and what is missing."""
    if way in ("file", "folder"):
        return held is not None, "" if held else f"Choose a {way} first."
    if way == "computer":
        return bool(place), "" if place else "Type a path first."
    filled = [name for name, count in own.counts().items() if count] if own else []
    if len(filled) >= 2:
        return True, ""
    return False, "Add pictures of two classes." if not filled else "Add pictures of one more class."


def order(
    held: Kept | None, own: Bundle | None, place: str, label: str, size: int | None,
    labels: UploadedFile | None, column: str,
) -> None:  # fmt: skip
    try:
        with st.spinner("Handing it over …"):
            if held:
                path, origin = held.path, held.origin
            elif own:
                path, origin, label = own.pack(), "the browser, class by class", label or own.title
            else:
                loopback = uploads.on_loopback(st.get_option("server.address"), st.context.headers)
                path = uploads.allowed_path(place, loopback)
                origin = path.name
            beside = path if held else None
            table = uploads.keep(labels.name, labels, endings=uploads.TABLES, beside=beside) if labels else None
            job = uploads.bring_in(path, origin, label=label, size=size, labels=table, label_column=column)
    except Refused as error:
        ui.refusals(error.problems)
        return
    ui.wait_for(runs.IMPORT, job)
    st.rerun()


# While it is imported, and after


@st.fragment(run_every="1s")
def watch(job: str) -> None:
    worker.wake()
    now = runs.get(job)
    if now.over:
        ui.wait_for(runs.IMPORT, job)
        st.rerun()
    with st.container(border=True):
        st.markdown(f"**Importing {ui.plain(now.label)}**")
        story = ui.story(job)
        doing, seconds = story.doing() if story.began else "", story.seconds_left()
        left = f" · {words.duration(seconds)} left" if seconds is not None else ""
        ahead = [own for own in runs.waiting("intake") if own.created < now.created]
        first = "Waiting for its turn …" if ahead else "Starting …"
        st.progress(story.share_done, text=f"{doing[:1].upper()}{doing[1:]}{left}" if doing else first)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption("It goes on whether or not this page is open.")
            stopping = story.stop_asked
            if st.button("Stopping …" if stopping else "Cancel", icon=":material/close:", disabled=stopping):
                runs.ask_to_stop(job)
                st.rerun(scope="fragment")


def came_to_nothing(job: Run) -> None:
    """Why an import was refused; what it was made from is offered again."""
    upload = uploads.upload_of(job)
    if job.status in ("failed", runs.LOST):
        kind = "bundle" if Bundle.find(upload) else "upload"
        if upload and not gathering.brought(kind):
            gathering.take(kind, upload)
    if job.status == "failed" and (failure := ui.story(job.id).failure):
        st.error(f"**This could not be taken in.** {ui.plain(uploads.reason(job, failure))}", icon=":material/report:")
    elif job.status == runs.LOST:
        st.error("**The import was lost.** The engine ended before it was over, for want of memory perhaps. Nothing "
                 "else was harmed: import it again.", icon=":material/link_off:")  # fmt: skip
    elif job.status == "stopped":
        st.info("Cancelled. What you brought is still here.", icon=":material/stop_circle:")


def chosen_way() -> str:
    """How this visitor brings it: remembered in the address, too."""
    known = st.query_params.get("way") or ui.recall("way") or ("classes" if gathering.bundle() else "file")
    way = st.segmented_control(
        "How do you bring it?", [*WAYS], default=known if known in WAYS else "file", required=True, key="way",
        format_func=WAYS.__getitem__, label_visibility="collapsed",
    ) or "file"  # fmt: skip
    st.query_params["way"] = way
    ui.remember("way", way)
    return way


def ways() -> None:
    way = chosen_way()
    left, right = st.columns([5, 2], gap="large")
    place = ""
    with left:
        match way:
            case "classes":
                gathering.class_by_class()
            case "camera":
                gathering.camera()
            case "folder":
                a_folder()
            case "computer":
                place = on_this_computer()
            case _:
                a_file()
    with right:
        settings(way, place)


# What is here


def shelf() -> None:
    every = library.ids()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Your datasets", anchor=False)
        whole = len(every) > MOST_CARDS and st.toggle(f"Show all {len(every)}", key="all datasets")
    if not every:
        st.info("Nothing yet. What you import appears here, and beside the shipped datasets.", icon=":material/inbox:")
    shown = every if whole else every[:MOST_CARDS]
    for start in range(0, len(shown), 3):
        for column, name in zip(st.columns(3), shown[start : start + 3], strict=False):
            with column, st.container(border=True, height="stretch"):
                card(library.card(name))


def card(dataset: Own) -> None:
    whole = library.imported(dataset.import_id)
    facts = dataset.facts()
    version = f" :gray-badge[version {dataset.version}]" if dataset.version > 1 else ""
    st.markdown(f"**{ui.plain(whole.label)}**{version}")
    try:
        if dataset.is_image and (preview := dataset.preview()):
            labels, first = np.unique(preview.y, return_index=True)
            gathering.in_a_row([*preview.x[first[:6]]], 52, [dataset.classes[label] for label in labels[:6]])
    except Damaged as error:
        st.error(str(error), icon=":material/broken_image:")
    if dataset.columns:
        st.caption(ui.plain(", ".join(dataset.columns[:6]) + (" …" if len(dataset.columns) > 6 else "")))
    when = datetime.fromtimestamp(whole.created)
    st.caption(
        f"{words.count(facts.examples)} {dataset.unit}, {words.count(len(dataset.classes))} classes · "
        f"{uploads.in_words(library.size_on_disk(whole.id))} · {when:%d %b %Y}"
    )
    with st.container(horizontal=True):
        if st.button("Open", key=f"open {whole.id}", icon=":material/health_metrics:"):
            ui.go("health", dataset=dataset.name)
        if st.button("", key=f"rename {whole.id}", type="tertiary", icon=":material/edit:", help="Rename"):
            gathering.rename_dataset(whole)
        if st.button("", key=f"delete {whole.id}", type="tertiary", icon=":material/delete:", help="Delete"):
            delete(whole)


@st.dialog("Delete for good?")
def delete(whole: library.Import) -> None:
    st.markdown(f"**{ui.plain(whole.label)}** goes, with all its versions. This cannot be undone. Runs that learnt "
                "from it stay, with their models and figures.")  # fmt: skip
    if any(whole.id in job.question for job in runs.unfinished() if job.status != runs.LOST):
        st.warning("A run that waits or trains uses it: let it end first.", icon=":material/hourglass_top:")
        return
    if st.button("Delete", type="primary", icon=":material/delete:"):
        library.delete(whole.id)
        st.rerun()


with ui.page("Bring your own data", "Pictures in classes, or a table. Nothing leaves the computer this runs on."):
    job = uploads.current(ui.waited_for(runs.IMPORT))
    if job and job.status == "finished" and job.result:
        ui.wait_for(runs.IMPORT, None)
        for kind in ("upload", "bundle"):
            gathering.take(kind, "")
        for typed in ("dataset name", "label column", "path"):
            ui.renew(typed)
        again = {"again": "yes"} if job.result["again"] else {}
        ui.go("health", dataset=f"{job.result['dataset']}@{job.result['version']}", **again)
    elif job and not job.over:
        watch(job.id)
    else:
        if job:
            came_to_nothing(job)
        ways()
    shelf()
