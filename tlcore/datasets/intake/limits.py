"""What an import may cost, and how it says no."""

from __future__ import annotations

MAX_MEMBERS = 300_000
MAX_MEMBER_BYTES = 128 * 2**20
MAX_BYTES = 64 * 2**30
"""Bytes of all members together, unpacked."""
MAX_RATIO = 100
"""How many times larger than packed a member of more than :data:`SMALL_BYTES` may be."""
SMALL_BYTES = 4 * 2**20
MAX_DIRECTORY_BYTES = 256 * 2**20
MAX_PATH = 1_024
MAX_DEPTH = 32

MAX_PIXELS = 2**26
"""Of one picture: 67 megapixels."""
BIG_PIXELS = 2**23
"""A picture of more is decoded while no other process decodes a big one."""
MAX_CLASSES = 2_000
MAX_NAME = 80

MAX_TABLE_BYTES = 256 * 2**20
MAX_ROWS = 2_000_000
MAX_COLUMNS = 5_000
MAX_CELLS = 40_000_000
MAX_LINE = 2**20
MAX_FEATURES = 4_000
MAX_CATEGORIES = 50
"""One-hot columns of one category; the rarer values share one."""
MAX_ARRAY_BYTES = 8 * 2**30

KEPT_SKIPS = 1_000
"""How many skipped files are named; all are counted."""


class Rejected(ValueError):
    """Something that cannot be taken at all: what was received, what was expected, what to do."""

    def __init__(self, received: str, expected: str, remedy: str):
        self.received, self.expected, self.remedy = received, expected, remedy
        super().__init__(f"Received {received}; expected {expected}. {remedy}")

    def __reduce__(self) -> tuple[type[Rejected], tuple[str, str, str]]:
        # It crosses from a child process, which by itself would bring one argument instead of three.
        return Rejected, (self.received, self.expected, self.remedy)
