"""The pages about a person's own data by AppTest, with real imports by the real engine."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from streamlit.testing.v1 import AppTest

from tests.test_pages import COLD, ROOT, click, texts
from tlcore import charts, runs, uploads, worker
from tlcore.bundle import Bundle
from tlcore.datasets import intake, library

CLASSES = ("*oak*", "<b>ash")
WaitFor = Callable[..., runs.Run]


def leaf(seed: int, ending: str = "PNG") -> bytes:
    """A picture like no other."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST).save(out := io.BytesIO(), ending)
    return out.getvalue()


def leaves() -> bytes:
    """Two classes of eight, one picture in both of them, one twice, and one that is none."""
    with zipfile.ZipFile(out := io.BytesIO(), "w") as archive:
        for number in range(8):
            archive.writestr(f"leaves/{CLASSES[0]}/{number}.png", leaf(number))
            archive.writestr(f"leaves/{CLASSES[1]}/{number}.png", leaf(100 + number))
        archive.writestr(f"leaves/{CLASSES[0]}/both.png", leaf(0))
        archive.writestr(f"leaves/{CLASSES[1]}/both.png", leaf(1))
        archive.writestr(f"leaves/{CLASSES[0]}/=broken.png", b"no picture")
    return out.getvalue()


TABLE = "length;site;kind\n" + "\n".join(
    f"{number % 7},{number % 10};{('north', 'south', 'west')[number % 3]};{('daisy', 'tulip')[number % 2]}"
    for number in range(60)
)


def taken_in(home: Path, name: str, data: bytes) -> str:
    """Import data without an engine; gives the dataset's id."""
    path = home.parent / name
    path.write_bytes(data)
    folder = library.begin()
    taken = intake.take_in(path, folder, tell=lambda *_: None, stop=lambda: None, size=32)
    if taken.kind == "table":
        (folder / f"original{path.suffix}").write_bytes(data)
    return library.keep(taken, folder, label=f"My *{path.stem}*", origin=name)[0]


@pytest.fixture
def trees(lab: Path) -> str:
    lab.mkdir()
    return taken_in(lab, "leaves.zip", leaves())


def app(page: str, **parameters: str) -> AppTest:
    """The whole app on one page."""
    own = AppTest.from_file(str(ROOT / "app.py"), default_timeout=10).run()
    for name, value in parameters.items():
        own.query_params[name] = value
    own.switch_page(f"pages/{page}.py").run()
    assert not own.exception, own.exception[0].message
    return own


def parameter(own: AppTest, name: str) -> str:
    value = own.query_params[name]
    return value if isinstance(value, str) else value[0]


def on_to(own: AppTest, page: str) -> AppTest:
    """Go on where the app has switched to: AppTest itself would run the page before once more."""
    assert not own.exception, own.exception[0].message
    return own.switch_page(f"pages/{page}.py").run()


def labels(own: AppTest) -> list[str]:
    return [button.label for button in own.button]


@pytest.mark.parametrize("page", ["intake", "health"])
@pytest.mark.parametrize("full", [False, True])
def test_opens_cold_and_alone_with_and_without_datasets(page: str, full: bool, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("trees" if full else "lab")
    cold = subprocess.run(
        [sys.executable, "-c", COLD, f"pages/{page}.py"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert cold.returncode == 0, cold.stderr[-2000:]


@pytest.mark.parametrize(
    ("page", "invitation"), [("intake", "Nothing yet."), ("health", "You have brought no data yet.")]
)
def test_an_empty_home_invites(page: str, invitation: str, lab: Path) -> None:
    own = app(page)
    assert invitation in texts(own)
    assert len([button for button in own.button if button.proto.type == "primary"]) == 1


def test_a_zip_is_uploaded_imported_corrected_undone_and_used(lab: Path, wait_for: WaitFor) -> None:
    own = app("intake")
    own.file_uploader[0].upload("leaves.zip", leaves(), "application/zip")
    own.run()
    assert "**leaves\\.zip**" in texts(own)
    own.text_input[0].set_value("My leaves")
    with FileLock(worker.slot_lock("intake0")):  # so that it is seen before it is over
        own = click(own, "Import and check")
        assert "Importing My leaves" in texts(own)
    (job,) = runs.all_runs(runs.IMPORT)
    wait_for(job.id, "finished")
    assert not [*lab.glob("uploads/*")]
    own.run()
    assert own.title[0].value == "Health check"
    own = on_to(own, "health")
    assert own.subheader[0].value == "My leaves"
    assert "The same picture in two classes" in texts(own)
    own = click(own, "All are ")
    (change,) = runs.all_runs(runs.REVISE)
    wait_for(change.id, "finished")
    own.run()
    (dataset,) = library.ids()
    assert parameter(own, "dataset") == f"{dataset}@2"
    assert "This is version 2 now" in texts(own)
    assert library.version(dataset, 2).counts != library.version(dataset, 1).counts
    own = click(own, "Undo")
    assert parameter(own, "dataset") == f"{dataset}@1"
    own = click(own, "Use this dataset")
    assert own.title[0].value == "Choose a dataset"
    assert own.session_state["draft"].dataset == f"{dataset}@1"
    assert own.session_state["draft"].samples_per_class is None, "all of what a person has brought"


def test_class_by_class_from_names_and_drops_to_a_dataset(lab: Path, wait_for: WaitFor) -> None:
    own = app("intake", way="classes")
    assert "Name the first class" in texts(own)
    for name in CLASSES:
        (field,) = [field for field in own.text_input if field.label == "Name a class"]
        field.set_value(name)
        own = click(own, "Add class")
    assert {button.label: button.disabled for button in own.button}["Import and check"]
    for place in range(2):
        own.file_uploader[place].set_value(
            [(f"{number}.png", leaf(10 * place + number), "image/png") for number in range(4)]
        )
        own.run()
        assert not own.exception
    bundle = Bundle.find(parameter(own, "bundle"))
    assert bundle
    assert bundle.counts() == {"*oak*": 4, "<b>ash": 4}
    own.button(key="undo *oak*").click()
    own.run()
    assert bundle.counts()["*oak*"] == 3
    refreshed = app("intake", bundle=bundle.id)
    assert "**\\*oak\\***" in texts(refreshed)
    refreshed = click(refreshed, "Import and check")
    (job,) = runs.all_runs(runs.IMPORT)
    wait_for(job.id, "finished")
    (dataset,) = library.ids()
    assert library.imported(dataset).label == "*oak* and <b>ash"
    assert set(library.version(dataset, 1).counts) == {3, 4}


def test_a_refused_file_says_why_and_keeps_what_was_typed(lab: Path, wait_for: WaitFor) -> None:
    own = app("intake")
    own.file_uploader[0].upload("holiday.zip", b"PK, or not", "application/zip")
    own.run()
    own.text_input[0].set_value("My holiday")
    own = click(own, "Import and check")
    (job,) = runs.all_runs(runs.IMPORT)
    wait_for(job.id, "failed")
    own.run()
    said = texts(own)
    assert "**This could not be taken in.**" in said
    assert "Received holiday\\.zip" in said
    assert own.text_input[0].value == "My holiday"
    assert "Take another" in labels(own)
    later = app("intake")  # another visit finds it again
    assert "Received holiday\\.zip" in texts(later)
    own = click(own, "Take another")
    assert "could not be taken in" not in texts(own)
    assert not [*lab.glob("uploads/*")]


def test_an_import_can_be_found_again_and_cancelled(lab: Path) -> None:
    path = uploads.keep("leaves.zip", io.BytesIO(leaves()))
    job = runs.create({"path": str(path), "origin": "leaves.zip"}, task=runs.IMPORT, label="Leaves")
    with FileLock(worker.slot_lock("intake0")):
        own = app("intake")
        assert "Importing Leaves" in texts(own)
        runs.ask_to_stop(job)
        own.run()
    assert "Importing" not in texts(own)
    assert uploads.kept(path.parent.name)


def test_a_path_on_this_computer_is_read_where_it_lies(lab: Path, tmp_path: Path, wait_for: WaitFor) -> None:
    (tmp_path / "big.zip").write_bytes(leaves())
    own = app("intake", way="computer")
    own.text_input[0].set_value(str(tmp_path / "missing"))
    own.run()
    own = click(own, "Import and check")
    assert "a folder that is there" in texts(own)
    own.text_input[0].set_value(str(tmp_path / "big.zip"))
    own.run()
    own = click(own, "Import and check")
    (job,) = runs.all_runs(runs.IMPORT)
    wait_for(job.id, "finished")
    assert (tmp_path / "big.zip").exists()
    assert len(library.ids()) == 1


def test_names_that_strangers_gave_are_shown_as_they_are(trees: str) -> None:
    own = app("health", dataset=trees)
    said = texts(own)
    assert own.subheader[0].value == "My \\*leaves\\*"
    assert "<b>ash" not in said
    assert "All are \\<b\\>ash" in labels(own)


def test_what_was_skipped_can_be_taken_home(trees: str) -> None:
    own = app("health", dataset=trees)
    (skipped,) = library.imported(trees).skipped
    assert skipped[0].endswith("=broken.png")
    assert "Download as CSV" in [own.label for own in own.get("download_button")]


def test_a_table_can_be_imported_again_with_another_label(lab: Path, wait_for: WaitFor) -> None:
    lab.mkdir()
    dataset = taken_in(lab, "plants.csv", TABLE.encode())
    assert library.imported(dataset).label_column == "kind"
    own = app("health", dataset=dataset)
    assert "the column **kind**" in texts(own)
    own.selectbox(key="label column").set_value("site")
    with FileLock(worker.slot_lock("intake0")):  # so that the page it waits on is seen
        own = on_to(click(own, "Import again with it"), "intake")
        assert own.title[0].value == "Bring your own data"
    (job,) = runs.all_runs(runs.IMPORT)
    wait_for(job.id, "finished")
    own.run()
    own = on_to(own, "health")
    assert "the column **site**" in texts(own)
    assert len(library.ids()) == 2


@pytest.mark.parametrize("hostile", ["data-00000000", "../../etc", "data-00000000@9999999", "<script>", "digits"])
def test_a_hostile_address_shows_no_dataset(hostile: str, trees: str) -> None:
    own = AppTest.from_file(str(ROOT / "pages/health.py"))
    own.query_params["dataset"] = hostile
    own.run()
    assert not own.exception
    assert own.error
    assert library.ids() == [trees]


def test_a_chart_of_classes_shows_parts_and_shields_names() -> None:
    figure = charts.class_sizes(["<a href='x'>", "oak"], {"for learning": (3, 5), "for the test": (1, 2)})
    assert [(bar.name, bar.x) for bar in figure.data] == [("for learning", (3, 5)), ("for the test", (1, 2))]
    assert figure.layout.yaxis.ticktext == ("&lt;a href='x'&gt;", "oak")
    names = [f"a class with quite a long name {number}" for number in range(30)]
    many = charts.class_sizes(names, {"for learning": [1] * 30})
    assert len(set(many.layout.xaxis.tickvals)) == 30


def test_random_changes_are_shown_on_the_chosen_pictures(lab: Path, wait_for: WaitFor) -> None:
    own = app("strategy")
    (changes,) = [pills for pills in own.pills if pills.label.startswith("Random changes")]
    changes.set_value(["rotate"])
    own.run()
    own = click(own, "Look at them")
    (job,) = runs.all_runs(runs.PREVIEW)
    wait_for(job.id, "finished")
    own.run()
    assert not own.exception, own.exception[0].message
    (shown,) = own.get("image")
    assert "four ways" in shown.proto.imgs[0].caption
