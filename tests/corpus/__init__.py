"""Hostile and odd uploads, each built by a small function, and what must become of it."""

from __future__ import annotations

from .cases import CASES, Case

__all__ = ["CASES", "Case"]

from . import arrays, files, names, networks, pictures, sheets, tables, zips  # noqa: F401 (each puts its cases into CASES)
