"""What to look at before an advice is given: through which sources, at how many examples, and how long it takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from . import admission, runs
from .datasets import dataset
from .networks import NETWORKS, Block, through
from .sources import NONE, TRAINED, Source, adaptable, everything, lineage, source
from .spec import RunSpec

USUAL_OTHERS = 3
MOST_EXAMPLES, LEAST_EXAMPLES, BUDGET = 2_000, 500, 1.2e12
"""Examples that are looked at; of large networks fewer, so that all together take about so many multiplications."""
PACE, EACH, START = 3e10, 4.0, 8.0
"""For the expected time: multiplications a second, seconds for the probes of a source, and for an engine's start."""

READ = ("dataset", "network", "image_size", "samples_per_class", "validation_share", "test_share", "seed")
"""Fields of a run's question that decide what is measured."""


def question(spec: RunSpec, sources: Sequence[str]) -> dict[str, Any]:
    """What an engine is asked: only what decides the figures, so that equal questions have one answer."""
    asked = {field: getattr(spec, field) for field in READ} | {"dataset": dataset(spec.dataset).name}
    if all(source(name).network for name in sources):  # else the network decides where bare tensors go
        asked["network"] = None
    return {"spec": asked, "sources": [*sources]}


def offered(spec: RunSpec) -> dict[str, Source]:
    """The sources that can be looked through for a question, those that are here or can be made here first."""
    card = dataset(spec.dataset)
    fitting = [
        own for own in everything()
        if own.kind != NONE and adaptable(own, card.shape) and admission.possible(_probing(spec, own))
    ]  # fmt: skip
    return {own.name: own for own in sorted(fitting, key=lambda own: not own.ready)}


def at_hand(origin: Source) -> bool:
    """Whether a source needs no download."""
    return origin.ready or (origin.kind == TRAINED and origin.dataset is not None and origin.dataset.ready)


def usual(spec: RunSpec, among: Mapping[str, Source]) -> list[str]:
    """The sources to begin with: the question's own, and a few others that are ready and have not seen these data."""
    own = [spec.source] if spec.source in among and at_hand(among[spec.source]) else []
    others = [
        name for name, card in among.items()
        if card.ready and not learnt_from(name, spec.dataset) and not _unchanged(card)
    ]  # fmt: skip
    shipped = [name for name, card in among.items() if at_hand(card) and not learnt_from(name, spec.dataset)]
    found = [*own, *[name for name in others if name not in own][:USUAL_OTHERS]]
    return found or shipped[:1]


def _unchanged(origin: Source) -> bool:
    """Whether a run's body is still that of its own source: a look through it says nothing new."""
    return origin.spec is not None and origin.spec.strategy == "linear_probe"


def begun_with(spec: RunSpec, among: Mapping[str, Source]) -> list[str]:
    """The sources that were looked through last for these very examples, if all are among these, else the usual."""
    asked = question(spec, [])["spec"]
    for run in runs.all_runs(runs.ADVISE):
        before = json.loads(run.question)
        same = all(before["spec"].get(field) == asked[field] for field in READ if field != "network")
        if run.status != "stopped" and same and among.keys() >= {*before["sources"]}:
            return [*before["sources"]]
    return usual(spec, among)


def learnt_from(name: str, of: str) -> bool:
    """Whether a source, or one that it came from, has learnt from this very dataset."""
    return any(own.spec and own.spec.dataset.partition("@")[0] == of.partition("@")[0] for own in lineage(name))


def expected_seconds(spec: RunSpec, sources: Sequence[Source], examples: int) -> float:
    """About how long looking takes on two cores, an engine's start included; training of sources is not."""
    asked = [_probing(spec, own) for own in sources]
    each = sum(map(multiplications, asked))
    return START + EACH * len(asked) + 2 * min(examples, most_examples(asked)) * each / PACE


def most_examples(asked: Iterable[RunSpec]) -> int:
    """How many examples to send through the networks of these questions: fewer where these are large."""
    each = sum(map(multiplications, asked))
    return int(min(MOST_EXAMPLES, max(LEAST_EXAMPLES, BUDGET / max(1.0, 2 * each))))


def multiplications(spec: RunSpec) -> float:
    """About how many an example takes on its way through a question's body."""
    own = admission.resolved(spec)
    blocks = admission.blocks(own)[:-1]
    if own.network in NETWORKS:
        return float(sum(_exactly(block) for block in blocks))
    shape = blocks[0].input_shape
    # Networks for photographs take about 200 a parameter at 224 pixels.
    return sum(block.parameters for block in blocks) * (200 * (shape[0] / 224) ** 2 if len(shape) == 3 else 1.0)


def _exactly(block: Block) -> int:
    shape, found = block.input_shape, 0
    for layer in block.layers:
        shape, weights = through(layer, shape)
        places = prod(shape[:2]) if len(shape) == 3 else 1
        found += places * sum(prod(own) for own in weights if len(own) > 1)
    return found


def _probing(spec: RunSpec, origin: Source) -> RunSpec:
    network = spec.network if origin.network is None else None
    return RunSpec(**{field: getattr(spec, field) for field in READ}).revised(
        source=origin.name, network=network, strategy="linear_probe", control=False
    )
