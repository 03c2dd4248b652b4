import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import until

from tlcore import RunSpec, runs
from tlcore.database import DamagedHome, connection
from tlcore.home import home
from tlcore.runs import UnknownRun
from tlcore.spec import Refused

pytestmark = pytest.mark.usefixtures("lab")

HOLD = """
import sys, time
from tlcore import runs
taken = runs.claim()
print(taken[0].id, flush=True)
time.sleep(60)
"""
CLAIM = """
from tlcore import runs
while taken := runs.claim():
    print(taken[0].id, flush=True)
    taken[1].release()
"""


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def result(accuracy: float) -> dict:
    return {"test": {"accuracy": accuracy}}


def test_a_run_waits_runs_and_ends():
    run = runs.create(RunSpec(), label="First")
    assert runs.get(run).status == "waiting" and not runs.get(run).over and runs.get(run).label == "First"
    taken, lock = runs.claim()
    assert taken.id == run and taken.status == "running" and not taken.over and taken.started
    runs.tell(run, "result", **result(0.9))
    runs.tell(run, "finished", seconds={})
    lock.release()
    ended = runs.get(run)
    assert ended.status == "finished" and ended.over and ended.result == result(0.9) and ended.ended >= ended.started
    assert ended.spec == RunSpec()


def test_a_run_whose_engine_let_go_without_an_end_is_lost():
    run, lock = runs.begin(RunSpec(), label="")
    assert run.status == "running"
    lock.release()
    assert runs.get(run.id).status == "lost" and runs.get(run.id).over


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_run_whose_process_was_killed_is_lost():
    run = runs.create(RunSpec())
    with python(HOLD) as engine:
        assert engine.stdout.readline().strip() == run
        assert runs.get(run).status == "running" and runs.is_held(run)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    assert runs.get(run).status == "lost" and not runs.is_held(run)


def test_a_run_that_ends_while_it_is_looked_at_never_reads_lost():
    seen: set[str] = set()
    over = threading.Event()

    def look():
        while not over.is_set():
            seen.update(run.status for run in runs.all_runs())
            seen.update(run.status for run in runs.unfinished())

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for _ in range(60):
        runs.create(RunSpec())
        run, lock = runs.claim()
        runs.tell(run.id, "finished", seconds={})
        lock.release()
    over.set()
    for watcher in watchers:
        watcher.join()
    assert seen and "lost" not in seen, seen


def test_claiming_goes_by_age():
    first, second = runs.create(RunSpec()), runs.create(RunSpec())
    assert [run.id for run in runs.waiting()] == [first, second]
    one, lock_one = runs.claim()
    two, lock_two = runs.claim()
    assert (one.id, two.id) == (first, second) and runs.claim() is None and runs.waiting() == []
    lock_one.release()
    lock_two.release()


def test_four_processes_that_claim_at_once_take_each_run_once():
    made = [runs.create(RunSpec(seed=seed)) for seed in range(60)]
    processes = [python(CLAIM) for _ in range(4)]
    taken = [line for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(taken) == sorted(made)


def test_four_processes_that_open_a_new_home_at_once():
    code = "from tlcore import runs, RunSpec\nfor _ in range(5): runs.create(RunSpec())"
    for _ in range(3):
        for path in home().glob("lab.db*"):
            path.unlink()
        processes = [python(code) for _ in range(4)]
        assert [process.wait(60) for process in processes] == [0] * 4
        assert len(runs.all_runs()) == 20


def test_a_list_of_runs_is_newest_first_and_of_one_task():
    made = [runs.create(RunSpec(seed=seed)) for seed in range(3)]
    job = runs.create({"dataset": "mnist"}, task=runs.FETCH)
    assert [run.id for run in runs.all_runs()] == made[::-1]
    assert [run.id for run in runs.all_runs(runs.FETCH)] == [job]
    assert [run.id for run in runs.unfinished()] == [*made, job]


def test_the_list_says_of_each_run_what_the_run_says_of_itself():
    for number in range(3):
        run, lock = runs.begin(RunSpec(), label="")
        runs.tell(run.id, "result", **result(number / 10))
        runs.tell(run.id, ("finished", "failed", "stopped")[number], seconds={})
        lock.release()
    listed = runs.all_runs(runs.SOURCE)
    assert runs.all_runs() == [] and [run.status for run in listed] == ["stopped", "failed", "finished"]
    assert listed == [runs.get(run.id) for run in listed]


def test_a_newer_version_s_question_does_not_break_the_list():
    run = runs.create({**json.loads(RunSpec().to_json()), "colour": "red"})
    (listed,) = runs.all_runs()
    assert listed.id == run and listed.status == "waiting"
    with pytest.raises(Refused, match="colour"):
        _ = listed.spec


def test_events_since():
    run, other = runs.create(RunSpec()), runs.create(RunSpec())
    runs.tell(run, "epoch", epoch=0, loss=0.5)
    runs.tell(other, "epoch", epoch=0)
    runs.tell(run, "epoch", epoch=1, loss=0.25)
    first, second = runs.events(run)
    assert first.data == {"epoch": 0, "loss": 0.5} and second.data["epoch"] == 1 and first.seq < second.seq
    assert runs.events(run, first.seq) == [second] and runs.events(run, second.seq) == []


def test_two_threads_telling():
    run = runs.create(RunSpec())

    def tell(who: int) -> None:
        for number in range(200):
            runs.tell(run, "epoch", who=who, number=number)

    threads = [threading.Thread(target=tell, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [event.data for event in runs.events(run)]
    for who in range(2):
        assert [data["number"] for data in told if data["who"] == who] == [*range(200)]


def test_rename():
    run = runs.create(RunSpec(), label="First")
    runs.rename(run, "  ../../etc <b>ü</b> ")
    assert runs.get(run).label == "../../etc <b>ü</b>"
    runs.rename(run, "x" * 500)
    assert len(runs.get(run).label) == 200
    with pytest.raises(UnknownRun):
        runs.rename("0", "x")


def test_delete():
    run, lock = runs.begin(RunSpec(), label="")
    with pytest.raises(Refused, match="stop it first"):
        runs.delete(run.id)
    runs.tell(run.id, "stopped")
    with pytest.raises(Refused):  # its engine still writes into the folder
        runs.delete(run.id)
    lock.release()
    runs.delete(run.id)
    assert runs.all_runs() == [] and runs.events(run.id) == [] and not runs.folder(run.id).exists()
    with pytest.raises(UnknownRun):
        runs.get(run.id)
    with pytest.raises(UnknownRun):
        runs.delete(run.id)


def test_what_others_have_borrowed_from_stays():
    lender = runs.create(RunSpec())
    heir = runs.create(RunSpec(source=f"run:{lender}"))
    for run in (lender, heir):
        runs.tell(run, "finished", seconds={})
    with pytest.raises(Refused, match=heir):
        runs.delete(lender)
    runs.delete(heir)
    runs.delete(lender)
    assert runs.all_runs() == []


def test_delete_what_waits_and_what_was_lost():
    waiting = runs.create(RunSpec())
    lost, lock = runs.begin(RunSpec(), label="")
    lock.release()
    for run in (waiting, lost.id):
        runs.delete(run)
    assert runs.all_runs() == [] and runs.claim() is None


@pytest.mark.parametrize("run", ["", "..", "../x", "a/b", "a b", ".", "/etc"])
def test_a_folder_is_of_an_id_made_here(run: str):
    with pytest.raises(UnknownRun):
        runs.folder(run)


def test_stop_what_waits_runs_and_is_over():
    waiting = runs.create(RunSpec())
    runs.ask_to_stop(waiting)
    assert runs.get(waiting).status == "stopped" and runs.claim() is None
    running, lock = runs.begin(RunSpec(), label="")
    assert not runs.asked_to_stop(running.id)
    runs.ask_to_stop(running.id)
    assert runs.get(running.id).status == "running" and runs.asked_to_stop(running.id)
    runs.tell(running.id, "stopped")
    before = runs.events(running.id)
    runs.ask_to_stop(running.id)
    assert runs.events(running.id) == before
    lock.release()


def test_finished_with_is_the_latest_of_the_same_question_with_a_model():
    made = []
    for spec in (RunSpec(), RunSpec(), RunSpec(), RunSpec(seed=1)):
        run, lock = runs.begin(spec, label="")
        runs.tell(run.id, "finished", seconds={})
        lock.release()
        made.append(run.id)
    for run in (made[0], made[1], made[3]):
        (runs.folder(run) / "model.keras").write_bytes(b"")
    assert runs.finished_with(RunSpec()) == made[1]
    assert runs.finished_with(RunSpec(seed=2)) is None


GARBAGE = b"This is no database. " * 400


@pytest.mark.parametrize("ask", [runs.all_runs, runs.waiting, runs.claim, lambda: runs.create(RunSpec())])
def test_a_damaged_home_is_named_and_left_alone(ask):
    path = home() / "lab.db"
    path.write_bytes(GARBAGE)
    with pytest.raises(DamagedHome, match=r"lab\.db"):
        ask()
    assert path.read_bytes() == GARBAGE


def test_a_home_that_cannot_be_written_is_not_called_damaged():
    runs.create(RunSpec())
    with pytest.raises(DamagedHome, match=r"lab\.db cannot be written .*TLCORE_HOME"), connection() as db:
        db.execute("PRAGMA query_only = ON")
        try:
            runs.create(RunSpec())
        finally:
            db.execute("PRAGMA query_only = OFF")


def test_damaged_in_the_middle():
    run = runs.create(RunSpec())
    for number in range(300):
        runs.tell(run, "epoch", number=number)
    path = home() / "lab.db"
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    whole = path.read_bytes()
    damaged = whole[:4096] + b"\xaa" * (len(whole) - 4096)
    moved = path.with_name("damaged.db")
    moved.write_bytes(damaged)
    moved.replace(path)  # another file under the same name: open connections are given up
    for extra in home().glob("lab.db-*"):
        extra.unlink()
    with pytest.raises(DamagedHome):
        runs.events(run)
    with pytest.raises(DamagedHome):
        runs.create(RunSpec())
    assert path.read_bytes() == damaged


def test_a_good_copy_put_back_is_read_again():
    run = runs.create(RunSpec())
    path = home() / "lab.db"
    copy = sqlite3.connect(path.with_name("copy.db"))
    sqlite3.connect(path).backup(copy)
    copy.close()
    for extra in home().glob("lab.db*"):
        extra.unlink()
    path.write_bytes(GARBAGE)
    with pytest.raises(DamagedHome):
        runs.all_runs()
    path.with_name("copy.db").replace(path)
    assert [one.id for one in runs.all_runs()] == [run]


def test_a_home_that_was_moved_away_begins_anew():
    runs.create(RunSpec())
    for path in home().glob("lab.db*"):
        path.unlink()
    assert runs.all_runs() == []


@pytest.mark.skipif(os.name == "nt", reason="such names are not allowed there")
def test_a_home_with_spaces_and_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "my höme ’n’ 100% #1?"))
    run = runs.create(RunSpec())
    assert runs.get(run).folder.parent.parent == tmp_path / "my höme ’n’ 100% #1?"
    taken, lock = runs.claim()
    until(lambda: runs.get(taken.id).status == "running", 5)
    lock.release()
