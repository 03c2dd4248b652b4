"""What a run says while it works, and the story that its events add up to.

Events are appended and never changed. The kinds, in the order in which a run tells them:

=========== ==========================================================================================
started     an engine has taken the run: ``pid``
device      where it computes: ``name``
stage       what it is doing now: ``stage`` (a key of :data:`STAGES`), ``doing`` (of it, in words), ``arm``,
            ``run`` (the source in training);
            when training, ``front`` (the frozen blocks are "kept" as features, or run "along" in every step),
            ``augmentation`` (random changes in use) and ``passed_over`` (those that do not suit the examples)
plan        ``arms``: for each arm its phases, before anything is trained
receipt     what became of each of the source's tensors: :class:`tlcore.engine.transfer.Receipt` as a dict
phase       one phase begins: ``arm, index, name, epochs, learning_rate, trainable_parameters, frozen_parameters``
control     the control was trained before: ``run`` that did; its phases and epochs are told again
progress    within an epoch or a download: ``done``, ``of``
epoch       one epoch is over: ``arm, phase, epoch, loss, accuracy, val_loss, val_accuracy, seconds, rate``
member      of a race: one of its runs begins, or is over: ``competitor``, ``seed``, ``run``, ``taken`` (an earlier run
            is used), and at its end ``status`` and its figures (:func:`tlcore.standings.figures`)
left        of a race: ``competitor`` had to leave after so many ``seeds``
stop        somebody asked it to stop
stopped     it stopped as asked; what was learnt so far is kept
result      test figures of the arms: see :mod:`tlcore.engine.journey`
finished    all is done: ``seconds``
failed      it could not go on: ``reason`` in plain words, ``details`` for those who want them
=========== ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

ENDS = ("finished", "stopped", "failed")
"""Kinds of event that end a run."""

TRANSFER, SCRATCH = "transfer", "scratch"
"""The arms of a run: what borrows, and the control (or a run that borrows nothing)."""

STAGES = {
    "loading": "starting the engine",
    "downloading": "downloading the dataset",
    "preparing": "preparing the examples",
    "resizing": "bringing the pictures to the size that the network takes",
    "borrowing": "downloading the source network",
    "converting": "reading the source network",
    "importing": "reading the files",
    "checking": "checking the examples",
    "source": "training the source network first",
    "copying": "copying the source's weights",
    "features": "computing what the frozen blocks see",
    "racing": "racing",
    "training": "training",
    "evaluating": "trying it on the test examples",
    "saving": "saving the model",
}


@dataclass(frozen=True, slots=True)
class Event:
    """``seq`` grows over all runs of a home folder; ``time`` is in seconds since 1970."""

    seq: int
    time: float
    kind: str
    data: dict[str, Any]


@dataclass
class Story:
    """What a run's events add up to. Feed it events in order, a few at a time if need be."""

    last: int = 0
    began: float | None = None
    told: float | None = None
    ended: float | None = None
    end: str | None = None
    stop_asked: bool = False
    stage: dict[str, Any] = field(default_factory=dict)
    stage_began: float = 0.0
    device: str = ""
    arms: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    phases: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    receipt: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    control: str | None = None
    seconds: dict[str, float] | None = None
    members: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """The runs of a race, by competitor and seed."""
    left: dict[int, int] = field(default_factory=dict)
    """Who had to leave a race, and after how many seeds."""

    def add(self, events: Iterable[Event]) -> Story:
        for event in events:
            self.last, self.told = event.seq, event.time
            self._add(event)
        return self

    def _add(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "started":
                self.began = event.time
            case "device":
                self.device = data["name"]
            case "stage":
                self.stage, self.progress, self.stage_began = data, {}, event.time
            case "plan":
                self.arms = data["arms"]
            case "receipt":
                self.receipt = data
            case "phase":
                self.phases.append(data)
            case "control":
                self.control = data["run"]
            case "progress":
                self.progress = data
            case "epoch":
                self.epochs.append(data)
                self.progress = {}
            case "member":
                key = data["competitor"], data["seed"]
                self.members[key] = self.members.get(key, {}) | data
            case "left":
                self.left[data["competitor"]] = data["seeds"]
            case "stop":
                self.stop_asked = True
            case "result":
                self.result = data
            case "failed":
                self.failure = data
            case "finished":
                self.seconds = data["seconds"]
        if event.kind in ENDS and self.end is None:
            self.end, self.ended = event.kind, event.time

    @property
    def total_epochs(self) -> int:
        return sum(phase["epochs"] for phases in self.arms.values() for phase in phases)

    @property
    def done_epochs(self) -> float:
        """Epochs over in all arms, the present one in part. Epochs that early stopping spared count as over."""
        over = 0
        for number, phase in enumerate(self.phases):
            own = sum(e["arm"] == phase["arm"] and e["phase"] == phase["index"] for e in self.epochs)
            over += own if number == len(self.phases) - 1 else phase["epochs"]
        training = self.stage.get("stage") == "training"
        return over + (self.progress["done"] / self.progress["of"] if training and self.progress.get("of") else 0)

    @property
    def share_done(self) -> float:
        """From 0 to 1, for a progress bar."""
        if self.end == "finished":
            return 1.0
        if not self.total_epochs:  # a job: how far its present stage is
            return min(1.0, self.progress["done"] / self.progress["of"]) if self.progress.get("of") else 0.0
        return min(1.0, self.done_epochs / self.total_epochs)

    def seconds_left(self) -> float | None:
        """An estimate from the epochs so far, None before the first is over; for a job, of its present stage, and for a
        race, from its runs so far."""
        if self.end:
            return None
        if self.members:
            over = [own for own in self.members.values() if own.get("seconds")]
            paces = [own["seconds"] for own in over if not own["taken"]] or [own["seconds"] for own in over]
            to_do = float(self.progress.get("of", 0) - self.progress.get("done", 0))
            return float(median(paces[-9:])) * to_do if paces else None
        if not self.total_epochs and self.progress.get("done") and self.told:
            spent = self.told - self.stage_began
            pace = spent / float(self.progress["done"])
            return pace * max(0.0, float(self.progress["of"] - self.progress["done"])) if spent > 1 else None
        if not self.epochs:
            return None
        # A phase's first epoch also builds its graph.
        pace = float(median(e["seconds"] for e in self.epochs[-9:]))
        return pace * max(0.0, self.total_epochs - self.done_epochs)

    def seconds_so_far(self, now: float | None = None) -> float:
        """From its beginning to ``now``; without it, to the end or to the last word of a run that was lost."""
        if self.began is None:
            return 0.0
        return (self.ended or now or self.told or self.began) - self.began

    def doing(self) -> str:
        """What it is doing now, in one line."""
        if self.end:
            return self.end
        stage = self.stage.get("stage", "loading")
        arm = "control, " if self.stage.get("arm") == SCRATCH and TRANSFER in self.arms else ""
        if stage != "training" or not self.phases:
            return f"{arm}{self.stage.get('doing') or STAGES.get(stage, stage)}"
        phase = self.phases[-1]
        epoch = sum(e["arm"] == phase["arm"] and e["phase"] == phase["index"] for e in self.epochs)
        of = len(self.arms.get(phase["arm"], ())) or 1
        return (
            f"{arm}phase {phase['index'] + 1} of {of} ({phase['name']}), "
            f"epoch {min(epoch + 1, phase['epochs'])} of {phase['epochs']}"
        )
