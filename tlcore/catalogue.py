"""A dict that answers a wrong name with the right ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

V = TypeVar("V")


class UnknownName(LookupError):
    """A name that a catalogue does not hold; the message offers the nearest one and lists them all."""

    def __init__(self, kind: str, received: object, names: Iterable[str]):
        self.kind, self.received, self.names = kind, received, sorted(names)
        super().__init__(kind, received)

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.names) or 'nothing yet'}"

    @property
    def remedy(self) -> str:
        near = difflib.get_close_matches(str(self.received), self.names, n=1, cutoff=0.6)
        article = "an" if self.kind[:1] in "aeiou" else "a"
        return f"did you mean {near[0]!r}?" if near else f"choose {article} {self.kind} from the list"

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.received!r}: expected {self.expected}; {self.remedy}"


class Catalogue(dict[str, V]):
    """Entries by name. ``catalogue[name]`` raises :class:`UnknownName` for a name that is not there."""

    def __init__(self, kind: str, entries: Iterable[tuple[str, V]] = ()):
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name: str) -> V:
        raise UnknownName(self.kind, name, self)
