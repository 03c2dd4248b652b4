"""Where a picture's class and part are written: in the folders above it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

PARTS = {
    "train": "train", "training": "train", "trainset": "train", "val": "validation", "valid": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test", "testset": "test",
}  # fmt: skip
Folders = tuple[str, ...]


def part_of(folder: str) -> str:
    """ "train", "validation", "test", or "" for a folder that names no part."""
    return PARTS.get(folder.casefold(), "")


def class_folders(folders: Sequence[Folders]) -> list[tuple[str, str]]:
    """(class, part) of each picture from the folders above it; class "" for one that lies in no class folder.

    Wrapping folders are those that all pictures share. Below them come parts, classes, or classes with parts in
    them; whatever lies deeper belongs to its class.
    """
    rest, wrapped_in = _unwrapped([*map(tuple, folders)])
    parts = [wrapped_in] * len(rest)
    named = _part_folders(rest)
    if named:
        parts = [part_of(dirs[0]) if dirs and dirs[0] in named else "" for dirs in rest]
        # What lies beside the parts (a folder of samples, say) is in no class.
        inner, _ = _unwrapped([dirs[1:] if dirs and dirs[0] in named else () for dirs in rest])
        return [(dirs[0] if dirs else "", part) for dirs, part in zip(inner, parts, strict=True)]
    below = {dirs[1] for dirs in rest if len(dirs) > 1}
    if below and all(part_of(name) for name in below) and all(len(dirs) > 1 for dirs in rest if dirs):
        parts = [part_of(dirs[1]) if dirs else "" for dirs in rest]
    return [(dirs[0] if dirs else "", part) for dirs, part in zip(rest, parts, strict=True)]


def _unwrapped(folders: list[Folders]) -> tuple[list[Folders], str]:
    """The folders below those that all pictures share, and the part that the last of these named, if any."""
    part = ""
    while True:
        firsts = {dirs[0] for dirs in folders if dirs}
        if len(firsts) != 1 or not any(len(dirs) > 1 for dirs in folders):
            return folders, part
        part = part_of(firsts.pop()) or part
        folders = [dirs[1:] for dirs in folders]


def _part_folders(folders: list[Folders]) -> set[str]:
    """First folders that are named like parts and hold folders: "train" may also be a class of vehicles."""
    deep, all_in = Counter(dirs[0] for dirs in folders if len(dirs) > 1), Counter(dirs[0] for dirs in folders if dirs)
    return {name for name, amount in deep.items() if part_of(name) and 2 * amount > all_in[name]}
