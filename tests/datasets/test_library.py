"""People's own datasets: versions, identity, parts, and what is left where an import is cut short."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore import RunSpec, runs
from tlcore.admission import admit
from tlcore.catalogue import UnknownName
from tlcore.datasets import dataset, health, intake, library
from tlcore.datasets.overlap import learnt_and_tested
from tlcore.spec import Refused

pytestmark = pytest.mark.usefixtures("lab")


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 12, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of three classes, 4, 3 and 1."""
    for place, (name, count) in enumerate((("cat", 4), ("dog", 3), ("rare", 1))):
        for number in range(count):
            picture(tmp_path / "animals" / name / f"{number}.png", 100 * place + number)
    return tmp_path / "animals"


def imported(path: Path, size: int = 8) -> tuple[str, bool]:
    unfinished = library.begin()
    taken = intake.take_in(path, unfinished, size=size, tell=lambda *_: None, stop=lambda: None)
    return library.keep(taken, unfinished, label=path.name, origin=path.name)


def without(name: str, positions: Sequence[int]) -> int:
    stated = library.stated(name, 1)
    return library.revise(name, health.leave_out(stated, positions).to(stated), "Fewer.")


def test_a_version_never_changes_another(folder: Path) -> None:
    name, again = imported(folder)
    assert not again and library.ids() == [name]
    assert without(name, [0]) == 2
    first, second = dataset(f"{name}@1"), dataset(name)
    assert second.name == f"{name}@2" and second.title == "animals, version 2"
    assert (first.facts().counts, second.facts().counts) == ((4, 3, 1), (3, 3, 1))
    assert len(first.load().y) == 8 and len(second.load().y) == 7


def test_a_class_without_examples_is_none_of_a_version(folder: Path) -> None:
    name, _ = imported(folder)
    stated = library.stated(name, 1)
    cats = np.flatnonzero(stated.label == 0)
    without(name, cats.tolist())
    card = dataset(name)
    assert card.classes == ("dog", "rare") and card.facts().counts == (3, 1)
    arrays, preview = card.load(), card.preview()
    assert preview and arrays.y.tolist() == preview.y.tolist() == [0, 0, 0, 1]
    assert (library.stated(name, 2).label == stated.label).all()  # entries keep the numbers of the import
    checked = library.version(name, 2).health
    assert "cat" not in " ".join(finding["sentence"] for finding in checked["findings"])
    assert dataset(f"{name}@1").classes == ("cat", "dog", "rare")


def test_a_version_without_any_example_is_none(folder: Path) -> None:
    name, _ = imported(folder)
    with pytest.raises(ValueError, match="leaves nothing"):
        without(name, range(8))
    assert library.imported(name).versions == [1]


def test_parts_come_in_the_order_pool_validation_test(tmp_path: Path) -> None:
    for part, count in (("test", 2), ("train", 4), ("valid", 3)):
        for place, name in enumerate(("cat", "dog")):
            for number in range(count):
                picture(tmp_path / "parts" / part / name / f"{number}.png", 1000 * len(part) + 100 * place + number)
    name, _ = imported(tmp_path / "parts")
    card = dataset(name)
    arrays, facts = card.load(), card.facts()
    assert (arrays.validation_from, arrays.test_from) == (8, 14)
    assert (facts.counts, facts.official_validation, facts.official_test) == ((4, 4), (3, 3), (2, 2))
    stated, pixels = library.stated(name, 1), library.pixels(name)
    own = stated[stated.part == "test"]
    assert (arrays.x[np.arange(14, 18)] == pixels[own.row.to_numpy()]).all()
    assert (arrays.y[14:] == own.label).all()


def test_the_same_content_is_kept_once_whatever_it_came_in(folder: Path, tmp_path: Path) -> None:
    name, _ = imported(folder)
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*.png"):
            archive.write(path, f"upload/{path.parent.name}/picture {path.name}")
    assert imported(packed) == (name, True)
    assert imported(folder, size=16)[0] != name
    picture(folder / "cat" / "more.png", 999)
    assert imported(folder)[0] != name
    assert not [*(library.home() / "datasets").glob("unfinished-*")]


def test_a_health_check_that_fails_leaves_no_dataset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(health, "check", breaks)
    with pytest.raises(MemoryError):
        imported(folder)
    left = [*(library.home() / "datasets").iterdir()]
    assert library.ids() == [] and [path.name[:11] for path in left] == ["unfinished-"]
    library.sweep()
    assert not left[0].exists()


def test_pictures_that_were_learnt_from_are_known_again_under_another_name(folder: Path) -> None:
    for place, name in enumerate(("cat", "dog", "rare")):
        for number in range(10):
            picture(folder / name / f"more{number}.png", 5_000 + 100 * place + number)
    first, again = (f"{imported(folder, size)[0]}@1" for size in (8, 16))
    learnt = RunSpec(dataset=first, samples_per_class=None)
    asked = learnt.revised(dataset=again)
    assert first != again and learnt_and_tested(learnt, asked) == 0  # the same seed divides both alike
    assert learnt_and_tested(learnt, asked.revised(seed=1)) > 0
    assert learnt_and_tested(learnt, asked.revised(test_share=0.5)) > 0
    run = runs.create(admit(learnt.revised(source="none", strategy="scratch")))
    runs.tell(run, "finished", seconds={})
    borrowing = asked.revised(source=f"run:{run}", strategy="linear_probe")
    assert admit(borrowing).dataset == again
    with pytest.raises(Refused, match="its test pictures are among those of"):
        admit(borrowing.revised(seed=1))


def test_a_name_is_never_part_of_a_path(folder: Path) -> None:
    name, _ = imported(folder)
    library.rename(name, "../../\n" + "a" * 5_000)
    assert len(library.imported(name).label) == 200 and library.folder(name).parent == library.home() / "datasets"
    library.rename(name, "  ")
    assert library.imported(name).label == "animals"


def test_one_that_is_damaged_does_not_take_the_others_along(folder: Path) -> None:
    first, _ = imported(folder)
    picture(folder / "rare" / "more.png", 999)
    second, _ = imported(folder)
    (library.folder(first) / "dataset.json").write_text("")
    assert library.ids() == [second] and dataset(second).name == f"{second}@1"
    with pytest.raises(UnknownName, match=second):
        dataset(first)
    assert imported(folder) == (second, True)


def test_what_was_deleted_is_unknown(folder: Path) -> None:
    name, _ = imported(folder)
    library.delete(name)
    for own in (name, f"{name}@1", "data-../../x", "data-00000000"):
        with pytest.raises(UnknownName):
            dataset(own)
    assert not library.folder(name).exists()
