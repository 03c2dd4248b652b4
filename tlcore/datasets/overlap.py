"""Pictures that one question learns from and another one tests on, under whatever names they were imported."""

from __future__ import annotations

from functools import lru_cache

from ..spec import RunSpec
from .library import Own, card
from .split import split


def learnt_and_tested(learnt: RunSpec, asked: RunSpec) -> int:
    """How many pictures ``asked`` tests on that ``learnt`` was trained on: files that are equal to the byte.

    Both name imported datasets; of tables and arrays none is known. Raises UnknownName for a dataset that is gone.
    """
    seen, tested = (
        _contents(spec.dataset, spec.samples_per_class, spec.validation_share, spec.test_share, spec.seed)[place]
        for place, spec in enumerate((learnt, asked))
    )
    return len(seen & tested)


@lru_cache(maxsize=32)
def _contents(
    name: str, samples_per_class: int | None, validation_share: float, test_share: float, seed: int
) -> tuple[frozenset[str], frozenset[str]]:
    """What a question on a dataset learns from, and what it tests on."""
    own: Own = card(name)
    if not own.sized:
        return frozenset(), frozenset()
    content = own.entries().sha.to_numpy(object)
    where = split(
        own.load(), samples_per_class=samples_per_class, validation_share=validation_share, test_share=test_share,
        seed=seed,
    )  # fmt: skip
    return frozenset(content[where.train]), frozenset(content[where.test])
