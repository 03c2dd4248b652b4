"""Own data and weights from the command line: ``import``, ``check``, ``fetch`` and ``--source file:PATH``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import heed_interrupts, until
from PIL import Image

from tlcore import runs
from tlcore.__main__ import main
from tlcore.datasets import library

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.usefixtures("lab")


def pictures(folder: Path, counts: dict[str, int], side: int = 12) -> Path:
    for place, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.random.default_rng(1000 * place + number).integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def table(path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [f"{random.normal() + 5 * (n % 2):.3f},{random.normal():.3f},{'ab'[n % 2]}" for n in range(60)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["length,width,species", *rows]))
    return path


def told(capsys: pytest.CaptureFixture[str], *argv: object) -> dict:
    """What a command prints with --json: one object on one line, and nothing beside it."""
    assert main([*map(str, argv), "--json"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1 and err == ""
    return json.loads(out)


def test_pictures_from_import_to_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    brought = told(capsys, "import", pictures(tmp_path / "animals", {"cat": 8, "dog": 8}), "--size", 16)
    assert (brought["kind"], brought["shape"], brought["version"]) == ("pictures", [16, 16, 3], 1)
    assert brought["classes"] == {"cat": 8, "dog": 8} and brought["skipped"] == [] and brought["seconds"] > 0
    assert brought["duplicates"] == {"exact": 0, "near": 0, "across_splits": 0}
    name = brought["dataset"]
    answer = told(capsys, "run", "--dataset", name, "--source", "none", "--network", "small_cnn", "--epochs", 1)
    assert answer["dataset"] == f"{name}@1" and answer["status"] == "finished"
    assert answer["test"]["examples"] == 4


def test_every_form_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    csv = table(tmp_path / "folder" / "leaves.csv")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.write(csv, "leaves.csv")
    brought = [told(capsys, "import", path)["dataset"] for path in (csv, csv.parent, tmp_path / "packed.zip")]
    assert len({*brought}) == 1
    checked = told(capsys, "check", brought[0])
    assert checked["kind"] == "table" and checked["health"]["examples"] == 60
    assert told(capsys, "import", csv, "--name", "By width", "--label-column", "species")["dataset"] == brought[0]
    assert main(["check", brought[0]]) == 0
    assert "The label is the column" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ("import", "import --help"),
        ("import /no/such/file", "expected a file or folder on this computer; check its path"),
        ("import {csv} --size 7", "expected a whole number from 8 to 1024"),
        ("import {csv} --size ²", "expected a whole number from 8 to 1024"),
        ("import {csv} --size big", "expected a whole number from 8 to 1024"),
        ("import {csv} --labels nowhere.csv", "labels: received 'nowhere.csv'"),
        ("import {csv} --label-column colour", 'one of its columns: "length", "width", "species"'),
        ("import {empty}", "expected a zip or folder of pictures, a table"),
        ("import {csv} --colum x", "'--colum'"),
        ("check data-00000000", "dataset: received 'data-00000000'"),
        ("check digits", "dataset: received 'digits'"),
        ("fetch nothing", "dataset: received 'nothing'"),
        ("fetch imagenet/resnet51", "did you mean 'imagenet/resnet50'?"),
        ("run --source file:/no/such/file", "expected a file or folder on this computer"),
        ("run --source file:{csv}", "expected weights that can be taken"),
    ],
)
def test_refused_in_one_line(argv: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    named = {"csv": table(tmp_path / "leaves.csv"), "empty": tmp_path / "empty"}
    assert main(argv.format(**named).split()) == 2
    out, err = capsys.readouterr()
    assert says in err and err.count("\n") == 1 and "finished" not in out
    assert library.ids() == []


def test_a_dataset_alone_decides_how_much_is_learnt_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The recipe that a question begins with asks for 5 examples a class; this dataset has 2 to give."""
    name = told(capsys, "import", pictures(tmp_path / "few", {"cat": 4, "dog": 4}))["dataset"]
    answer = told(capsys, "run", "--dataset", name, "--source", "none", "--epochs", 1)
    assert answer["test"]["examples"] == 2
    assert main(["run", "--dataset", name, "--source", "none", "--samples-per-class", "5"]) == 2
    assert "at most 2" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' file names are text")
def test_a_file_name_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/leaves\xff.csv")
    shutil.copyfile(table(tmp_path / "leaves.csv"), odd)
    name = told(capsys, "import", odd, "--name", "a\nb" + "c" * 5_000)["dataset"]
    whole = library.imported(name)
    assert whole.origin == "leaves?.csv" and len(whole.label) == 200
    assert main(["check", name]) == 0
    assert "a\\nbccc" in capsys.readouterr().out


def test_what_is_here_is_not_fetched(capsys: pytest.CaptureFixture[str]):
    assert main(["fetch", "digits"]) == 0
    assert capsys.readouterr().out == "digits is on this computer already\n"


def test_weights_from_a_file(source_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "brought.npz"
    shutil.copyfile(runs.folder(source_run) / "weights.npz", path)
    asked = ("run", "--dataset", "printed_digits", "--strategy", "linear_probe", "--epochs", 1, "--no-control")
    answer = told(capsys, *asked, "--source", f"file:{path}")
    assert answer["source"].startswith("file:file-") and answer["receipt"]["copied"]["tensors"] == 15
    again = told(capsys, *asked, "--source", answer["source"])
    assert again["test"] == answer["test"]


def begun(path: Path) -> subprocess.Popen[str]:
    """An import in a process of its own, as soon as it reads."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tlcore", "import", str(path), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=ROOT, preexec_fn=heed_interrupts,
    )  # fmt: skip
    until(lambda: unfinished() and any(path.stat().st_size for path in unfinished()[0].glob("*")), 30)
    return process


def unfinished() -> list[Path]:
    return [*(library.home() / "datasets").glob("unfinished-*")]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Pictures that take seconds to read: each a large one with a few bytes behind it, which make it another."""
    folder = pictures(tmp_path / "many", {"cat": 1, "dog": 1}, side=1500)
    for name in ("cat", "dog"):
        first = (folder / name / "0.png").read_bytes()
        for number in range(1, 30):
            (folder / name / f"{number}.png").write_bytes(first + str(number).encode())
    return folder


def test_an_import_that_is_interrupted_leaves_nothing(many: Path):
    process = begun(many)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "the import was stopped\n")
    assert not unfinished() and library.ids() == []


def test_an_import_whose_engine_is_killed_leaves_nothing_for_long(many: Path, capsys: pytest.CaptureFixture[str]):
    process = begun(many)
    job = runs.all_runs(runs.IMPORT)[0]
    engine = next(event.data["pid"] for event in runs.events(job.id) if event.kind == "started")
    os.kill(engine, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and out == "" and "its engine was killed" in err
    time.sleep(0.1)
    told(capsys, "import", pictures(many.parent / "few", {"cat": 4, "dog": 4}))
    assert not unfinished() and len(library.ids()) == 1
