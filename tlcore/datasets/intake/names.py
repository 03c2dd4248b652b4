"""Names that strangers gave: cleaned for display, ordered as a person would order them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from .limits import MAX_NAME


def clean(text: str, longest: int = MAX_NAME) -> str:
    """One line of NFC text without control, bidi and other invisible characters, cut to ``longest`` characters."""
    if len(text) <= longest and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    text = unicodedata.normalize("NFC", text[: 4 * longest])
    spaced = " ".join("".join(" " if c in "\t\n\r" else c for c in text).split())
    # Cc control, Cf format (bidi marks, zero-width), Cs lone surrogates, Co and Cn without a meaning.
    seen = "".join(c for c in spaced if c == " " or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    seen = seen.strip()
    return seen if len(seen) <= longest else seen[: longest - 1].rstrip() + "…"


def natural(text: str) -> tuple[object, ...]:
    """A key that puts "class 2" before "class 10"."""
    parts = re.split(r"([0-9]{1,18})", text.casefold())
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), (-1, 0, text))


def display(raw: Iterable[str]) -> dict[str, str]:
    """Each raw name's clean one, in natural order; names that become the same are told apart by a number."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(set(raw), key=lambda one: (natural(clean(one)), one)):
        base = clean(name) or "(no name)"
        unique, count = base, 1
        while unique in taken:
            count += 1
            unique = f"{base} ({count})"
        taken.add(unique)
        shown[name] = unique
    return shown
