"""Networks whose knowledge can be borrowed: cards, with no weights in memory.

Pre-training is a run like any other: a source of ours is the question of a run, and its weights are that run's. The
shipped ones are trained on first use and kept; every finished run is a source too, by the name ``run:<id>``.
ImageNet's networks (``imagenet/<network>``) are downloaded on first use, and what a person brought is
``file:<id>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from . import foreign, pretrained, runs
from .architectures import fitting, input_shape, network, takes
from .catalogue import Catalogue, UnknownName
from .datasets import Dataset, dataset
from .home import home
from .networks import NETWORKS, Block, Shape
from .pretrained import ARCHITECTURES
from .runs import Run, UnknownRun
from .spec import Refused, RunSpec
from .words import title

NONE = "none"
TRAINED, IMAGENET, FILE, RUN = "trained", "imagenet", "file", "run"


@dataclass(frozen=True)
class Source:
    """A network's card.

    ``spec`` is the question it was, or will be, trained by here; None for random weights and for networks that
    others trained. ``network`` is None for random weights, and for weights of which only the tensors are known.
    """

    name: str
    title: str
    summary: str
    kind: str = NONE
    network: str | None = None
    spec: RunSpec | None = None

    @property
    def run(self) -> str | None:
        """The finished run that holds its weights, if it was trained here already."""
        if self.kind == RUN:
            return self.name.removeprefix("run:")
        return runs.finished_with(self.spec) if self.spec else None

    @property
    def weights(self) -> Path | None:
        """The file of its weights, by block and variable; None where it is still to be trained or downloaded."""
        if self.kind == IMAGENET:
            path = home() / "sources" / f"imagenet-{self.network}" / "weights.npz"
        elif self.kind == FILE:
            path = foreign.folder(self.name.removeprefix("file:")) / "weights.npz"
        else:
            path = runs.folder(run) / "weights.npz" if (run := self.run) else Path()
        return path if path.is_file() else None

    @property
    def ready(self) -> bool:
        """Whether its weights are on this computer, or the file that they are made from."""
        if self.kind == IMAGENET and pretrained.weights_file(ARCHITECTURES[self.network or ""]):
            return True
        return self.kind == NONE or self.weights is not None

    @property
    def dataset(self) -> Dataset | None:
        """What it was trained on here."""
        return dataset(self.spec.dataset) if self.spec else None

    @property
    def classes(self) -> tuple[str, ...]:
        """What its outputs stand for; nothing where its output layer is not known or not kept."""
        return self.dataset.classes if self.dataset else ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of what it was shown; for ImageNet's, at their native size; nothing where it is not known."""
        if self.spec and self.network:
            return input_shape(self.network, dataset(self.spec.dataset).shape, self.spec.image_size)
        if self.kind == IMAGENET:
            size = ARCHITECTURES[self.network or ""].size
            return (size, size, 3)
        return input_shape(self.network, (), None) if self.network else ()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Its body's blocks at its own size; nothing where they are not known."""
        return network(self.network).blocks(self.input_shape) if self.network else ()

    @property
    def accuracy(self) -> float | None:
        """Its test accuracy on its own dataset, once trained here."""
        run = self.run
        result = runs.get(run).result if run else None
        return result["test"]["accuracy"] if result else None


def _pretraining(dataset: str, network: str, **fields: object) -> RunSpec:
    return RunSpec(
        dataset=dataset, source=NONE, strategy="scratch", network=network, samples_per_class=None, control=False
    ).revised(**fields)


def _trained(name: str, title: str, summary: str, spec: RunSpec) -> Source:
    return Source(name, title, summary, TRAINED, spec.network, spec)


SOURCES = Catalogue(
    "source",
    (
        (source.name, source)
        for source in (
            Source(NONE, "Nothing", "Random weights: the network starts from scratch."),
            _trained(
                "letters", "Printed letters", "A small convolutional network that can read printed letters.",
                _pretraining(
                    "letters", "small_cnn", epochs=8, batch_size=128, learning_rate=0.001,
                    validation_share=0.05, test_share=0.05,
                ),
            ),
            _trained(
                "mnist", "MNIST, dense", "784 pixels, 128 hidden units, dropout 0.2, 10 outputs, trained on MNIST.",
                _pretraining("mnist", "dense_128", epochs=5, batch_size=128, learning_rate=0.001, validation_share=0.1),
            ),
            _trained(
                "vectors_a", "Vectors A, dense",
                "100 features, hidden layers of 64 and 32 units, trained on the first made-up task.",
                _pretraining("vectors_a", "dense_64_32", epochs=10, batch_size=32, learning_rate=0.001),
            ),
            _trained(
                "cifar10", "CIFAR-10, ResNet-20", "A small residual network, trained on CIFAR-10's photographs.",
                _pretraining(
                    "cifar10", "resnet_20", epochs=5, batch_size=128, learning_rate=0.003, validation_share=0.1
                ),
            ),
            *(
                Source(f"imagenet/{own.name}", f"{own.title}, ImageNet", own.summary, IMAGENET, own.name)
                for own in ARCHITECTURES.values()
            ),
        )
    ),
)  # fmt: skip


def everything() -> list[Source]:
    """All sources: the shipped ones, what people brought, then every finished run that can be read, newest first."""
    brought = map(_of_file, foreign.kept())
    return [*SOURCES.values(), *brought, *(card for run in runs.all_runs() if (card := _of_run(run)))]


def source(name: str) -> Source:
    """The card of a shipped source, of ``run:<id>`` or of ``file:<id>``. Raises UnknownName."""
    if name in SOURCES:
        return SOURCES[name]
    card = None
    try:
        if name.startswith("run:"):
            card = _of_run(runs.get(name.removeprefix("run:")))
        elif name.startswith("file:"):
            card = _of_file(foreign.get(name.removeprefix("file:")))
    except (UnknownRun, UnknownName):
        pass
    if card:
        return card
    kind = name.partition(":")[0]
    same = [own.name for own in everything() if own.name.startswith(f"{kind}:")]
    raise UnknownName("source", name, [*SOURCES, *same])


def lineage(name: str) -> Iterator[Source]:
    """A source, the source it came from, and so on; it ends where one is gone."""
    while name != NONE:
        try:
            own = source(name)
        except UnknownName:
            return
        yield own
        if not own.spec:
            return
        name = own.spec.source


def _of_run(run: Run) -> Source | None:
    """The card of a finished run; None for one that cannot be borrowed from."""
    if run.status != "finished":
        return None
    try:
        spec = run.spec
        about = f"A model trained here on {dataset(spec.dataset).title}."
        network(spec.network or "")
    except (Refused, UnknownName):
        return None
    return Source(f"run:{run.id}", title(run), about, RUN, spec.network, spec)


def _of_file(card: foreign.Foreign) -> Source:
    network = card.id if isinstance(card, foreign.ForeignNetwork) else None
    return Source(f"file:{card.id}", card.title, card.summary, FILE, network)


def recognised(origin: Source, shape: Shape) -> tuple[str, float] | None:
    """For weights of which only the tensors are known: the network that they most likely belong to, when it is shown
    inputs of ``shape``, and the share of its parameters that fit. None where nothing fits."""
    if origin.kind != FILE or origin.network:
        return None
    return _recognised(origin.name.removeprefix("file:"), shape)


@lru_cache(maxsize=32)
def _recognised(file: str, shape: Shape) -> tuple[str, float] | None:
    drawn = {name: network(name).blocks(input_shape(name, shape, None)) for name in fitting(shape) if name in NETWORKS}
    ours = [(name, [own for block in blocks for own in block.weights]) for name, blocks in drawn.items()]
    imagenet = [(name, [*own.tensors().values()]) for name, own in ARCHITECTURES.items() if takes(name, shape)]
    return foreign.recognised(foreign.get(file), [*ours, *imagenet])


def fits(source: Source, shape: tuple[int, ...]) -> bool:
    """Whether its body's weights can take inputs of ``shape`` as they are."""
    if not source.network or not source.spec:  # nothing to fit, or blocks that are drawn for any size
        return adaptable(source, shape)
    if not takes(source.network, shape):
        return False
    own = network(source.network)
    body = own.blocks(input_shape(source.network, shape, source.spec.image_size))
    return [b.weights for b in body] == [b.weights for b in source.blocks]


def adaptable(source: Source, shape: tuple[int, ...]) -> bool:
    """Whether its body's weights can be brought to inputs of ``shape``: pictures to pictures, tables to tables."""
    if source.kind == NONE or not source.network:
        return True
    return len(source.input_shape) == len(shape) and takes(source.network, shape)
