import pytest

from tlcore.events import Event, Story

PHASES = [
    {"name": "head", "epochs": 2, "learning_rate": 0.1},
    {"name": "everything learns", "epochs": 2, "learning_rate": 0.01},
]
CONTROL = [{"name": "everything learns", "epochs": 4, "learning_rate": 0.1}]


def epoch(arm: str, phase: int, number: int, seconds: float = 2.0) -> tuple[str, dict]:
    return "epoch", {"arm": arm, "phase": phase, "epoch": number, "loss": 1.0, "seconds": seconds}


TOLD = [
    ("started", {"pid": 1}),
    ("device", {"name": "CPU"}),
    ("plan", {"arms": {"transfer": PHASES, "scratch": CONTROL}}),
    ("stage", {"stage": "preparing"}),
    ("receipt", {"copied": {"tensors": 1}}),
    ("stage", {"stage": "features", "arm": "transfer"}),
    ("progress", {"done": 5, "of": 10}),
    ("phase", {"arm": "transfer", "index": 0, **PHASES[0]}),
    ("stage", {"stage": "training", "arm": "transfer"}),
    epoch("transfer", 0, 0),
    epoch("transfer", 0, 1),
    ("phase", {"arm": "transfer", "index": 1, **PHASES[1]}),
    ("stage", {"stage": "training", "arm": "transfer"}),
    epoch("transfer", 1, 2, 4.0),
    ("stage", {"stage": "evaluating", "arm": "transfer"}),
    ("phase", {"arm": "scratch", "index": 0, **CONTROL[0]}),
    ("stage", {"stage": "training", "arm": "scratch"}),
    epoch("scratch", 0, 0),
    ("progress", {"done": 1, "of": 4}),
    ("result", {"test": {"accuracy": 0.5}}),
    ("finished", {"seconds": {"total": 9.0, "training": 5.0}}),
]
EVENTS = [Event(seq, 100.0 + seq, kind, data) for seq, (kind, data) in enumerate(TOLD, 1)]


def until(kind: str, nth: int = 1) -> Story:
    """The story up to the nth event of a kind."""
    places = [n for n, event in enumerate(EVENTS) if event.kind == kind]
    return Story().add(EVENTS[: places[nth - 1] + 1])


@pytest.mark.parametrize("cut", range(len(EVENTS)))
def test_fed_piecewise_is_fed_at_once(cut: int):
    assert Story().add(EVENTS[:cut]).add(EVENTS[cut:]) == Story().add(EVENTS)


def test_the_whole_story():
    story = Story().add(EVENTS)
    assert (story.last, story.began, story.ended, story.end) == (len(EVENTS), 101.0, 100.0 + len(EVENTS), "finished")
    assert story.device == "CPU" and story.receipt == {"copied": {"tensors": 1}}
    assert story.result == {"test": {"accuracy": 0.5}} and story.seconds == {"total": 9.0, "training": 5.0}
    assert len(story.epochs) == 4 and len(story.phases) == 3 and story.total_epochs == 8
    assert story.share_done == 1.0 and story.seconds_left() is None and story.doing() == "finished"
    assert story.seconds_so_far() == len(EVENTS) - 1


def test_before_anything_is_told():
    story = Story()
    assert story.doing() == "starting the engine" and story.share_done == 0.0
    assert story.seconds_left() is None and story.seconds_so_far() == 0.0


def test_doing():
    assert until("stage", 2).doing() == "computing what the frozen blocks see"
    assert until("stage", 3).doing() == "phase 1 of 2 (head), epoch 1 of 2"
    assert until("epoch", 1).doing() == "phase 1 of 2 (head), epoch 2 of 2"
    assert until("epoch", 3).doing() == "phase 2 of 2 (everything learns), epoch 2 of 2"
    assert until("epoch", 4).doing() == "control, phase 1 of 1 (everything learns), epoch 2 of 4"


def test_a_run_that_borrows_nothing_has_no_control():
    story = Story().add([Event(1, 1.0, "plan", {"arms": {"scratch": CONTROL}})])
    story.add([Event(2, 1.0, "stage", {"stage": "evaluating", "arm": "scratch"})])
    assert story.doing() == "trying it on the test examples"


def test_progress_counts_in_training_and_nowhere_else():
    assert until("progress", 1).done_epochs == 0
    assert until("epoch", 1).done_epochs == 1
    # The phase that early stopping cut short counts whole: 2 + 2, then 1 of the control and a quarter.
    assert until("progress", 2).done_epochs == 5.25
    assert until("progress", 2).share_done == pytest.approx(5.25 / 8)


def test_a_stage_forgets_the_progress_of_the_one_before():
    assert until("stage", 3).progress == {}


def test_seconds_left():
    assert until("stage", 3).seconds_left() is None
    assert until("epoch", 1).seconds_left() == pytest.approx(2.0 * 7)
    assert until("epoch", 3).seconds_left() == pytest.approx(2.0 * 5)  # the slow epoch, of 4 s, does not count


def test_seconds_so_far_grow_until_the_end():
    assert until("epoch", 1).seconds_so_far(now=111.0) == 10.0


def test_a_stop():
    story = Story().add([Event(1, 1.0, "started", {"pid": 1}), Event(2, 2.0, "stop", {})])
    assert story.stop_asked and story.end is None
    story.add([Event(3, 3.0, "stopped", {}), Event(4, 4.0, "result", {"test": {}})])
    assert story.end == "stopped" and story.ended == 3.0 and story.result == {"test": {}}


def test_a_failure():
    story = Story().add([Event(1, 1.0, "failed", {"reason": "no", "details": "why"})])
    assert story.end == "failed" and story.failure == {"reason": "no", "details": "why"}


def test_a_kind_from_a_newer_version_does_no_harm():
    assert Story().add([Event(7, 1.0, "sang", {"song": 1})]).last == 7


def test_how_far_a_job_is_and_how_long_it_will_take():
    story = Story()
    assert (story.share_done, story.seconds_left()) == (0.0, None)
    told = (
        (0, "stage", {"stage": "importing", "doing": "Looking through the files"}),
        (1, "progress", {"done": 1, "of": 1}),
        (2, "stage", {"stage": "importing", "doing": "Reading pictures"}),
        (2.5, "progress", {"done": 1, "of": 1000}),
    )
    story.add(Event(number, when, kind, data) for number, (when, kind, data) in enumerate(told, 1))
    assert story.seconds_left() is None  # too early to say
    story.add([Event(5, 12, "progress", {"done": 250, "of": 1000})])
    assert (story.doing(), story.share_done) == ("Reading pictures", 0.25)
    assert story.seconds_left() == pytest.approx(30)
    story.add([Event(6, 13, "stage", {"stage": "checking"})])
    assert (story.doing(), story.share_done, story.seconds_left()) == ("checking the examples", 0.0, None)
