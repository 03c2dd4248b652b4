"""Which examples are the same, and which pictures nearly the same, without comparing each with each."""

from __future__ import annotations

import mmap
from hashlib import blake2b
from itertools import combinations

import numpy as np

BITS = 8
"""Perceptual hashes of 64 bits that differ in at most so many are looked at closer."""
DIFFERENCE = 0.3
"""Two pictures are nearly the same when their root mean square difference is at most this share of what varies within
each (its standard deviation within a colour).

Measured: of 60,000 photographs of CIFAR-10 it finds 190 pairs, and every one looked at showed the same picture twice;
of 30,000 handwritten digits of MNIST, which are alike by nature, one pair of different digits came in. At 0.5 five
hundred did. Recompressed (JPEG at 40 %) copies differ by 0.12, copies of half the size by 0.13 (medians). Being a
share, it holds for faint pictures too: two nearly blank ones are not the same only because both are nearly blank.
"""
WINDOW = 32
MOST_PAIRS = 500_000
SIDE = 16
FINE = 256
STEP = 8 * 2**20


def same_content(x: np.ndarray) -> np.ndarray:
    """A number for each row of ``x`` (n, ...), int64 (n,): equal for rows whose every value is the same."""
    import pandas as pd

    flat = x.reshape(len(x), -1)
    digests: list[bytes] = []
    rows = max(1, STEP // max(1, flat.shape[1] * flat.itemsize))
    for start in range(0, len(flat), rows):
        part = np.ascontiguousarray(flat[start : start + rows])
        if part.dtype.kind == "f":
            part = part + part.dtype.type(0)  # -0.0 is 0.0
        digests += [blake2b(row.data, digest_size=16).digest() for row in part]
    return np.asarray(pd.factorize(np.array(digests, dtype="S16").astype(object))[0], np.int64)


def near_pairs(hashes: np.ndarray, pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Pairs of nearly the same pictures: positions in ``hashes`` (n,) uint64, int64 (k, 2), the smaller one first.

    ``pixels`` (m, height, width, channels) uint8 is indexed by ``rows`` (n,). Resized, lightly cropped and
    recompressed copies are found; turned, mirrored and recoloured ones are not.
    """
    pairs = candidates(hashes)
    if not len(pairs):
        return pairs
    members, places = np.unique(pairs, return_inverse=True)
    small, spread = _small(pixels, rows[members])
    left, right = places.reshape(-1, 2).T
    near = np.empty(len(pairs), bool)
    count = max(1, STEP // (4 * small.shape[1]))
    for start in range(0, len(pairs), count):
        i, j = left[start : start + count], right[start : start + count]
        between = small[i].astype(np.float32) - small[j]
        between = np.sqrt(np.einsum("ij,ij->i", between, between) / small.shape[1])
        near[start : start + count] = between <= DIFFERENCE * np.minimum(spread[i], spread[j])
    return pairs[near]


def candidates(hashes: np.ndarray) -> np.ndarray:
    """Pairs of positions whose hashes differ in at most :data:`BITS` bits, int64 (k, 2), sorted.

    Multi-index hashing (Norouzi, Punjani and Fleet, 2012): hashes that agree in two of their eight bytes are
    compared, which finds all pairs up to 6 bits apart and most of those at 7 and 8. Each hash meets at most
    :data:`WINDOW` neighbours an ordering, so that thousands of equal hashes cost no more than others.
    """
    n = len(hashes)
    octets = np.ascontiguousarray(hashes, dtype="<u8").view(np.uint8).reshape(n, 8)
    found = np.empty(0, np.int64)
    for kept in combinations(range(8), 2):
        columns = [column for column in range(8) if column not in kept] + [*kept]  # the last ones weigh most
        turned = np.ascontiguousarray(octets[:, columns]).view("<u8").reshape(n)
        order = np.argsort(turned, kind="stable")
        turned = turned[order]
        key = turned >> np.uint64(48)
        new = []
        for step in range(1, min(WINDOW, n - 1) + 1):
            same = np.flatnonzero(key[step:] == key[:-step])
            if not len(same):
                break
            same = same[np.bitwise_count(turned[same] ^ turned[same + step]) <= BITS]
            a, b = order[same], order[same + step]
            new.append(np.minimum(a, b) * n + np.maximum(a, b))
        found = np.unique(np.concatenate([found, *new]))
        if len(found) > MOST_PAIRS:
            found = found[:MOST_PAIRS]
            break
    return np.stack([found // max(n, 1), found % max(n, 1)], axis=1)


def _small(pixels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Small colour versions (k, values) uint16, in steps of 1 / FINE, and how much varies within each (k,)."""
    height, width, channels = pixels.shape[1:]
    down, across = max(1, round(height / SIDE)), max(1, round(width / SIDE))
    high, wide = height // down, width // across
    small = np.empty((len(rows), high * wide * channels), np.uint16)
    spread = np.empty(len(rows), np.float32)
    count = max(1, STEP // (height * width * channels))
    for start in range(0, len(rows), count):
        part = pixels[rows[start : start + count], : high * down, : wide * across]
        lines = part.reshape(len(part), high, down, -1).sum(2, dtype=np.uint16)
        sums = lines.reshape(len(part), high * wide, across, channels).sum(2, dtype=np.uint32)
        values = sums.astype(np.float32) * (FINE / (down * across))
        spread[start : start + count] = np.sqrt(values.var(1).mean(1))
        small[start : start + count] = values.reshape(len(part), -1).round()
        _let_go(pixels)
    return small, spread


def _let_go(pixels: np.ndarray) -> None:
    """Give back the memory of what was read of a file mapped for reading, where the system can be asked to."""
    mapped = getattr(pixels, "_mmap", None)
    if mapped is not None and not pixels.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def stars(pairs: np.ndarray) -> list[np.ndarray]:
    """Groups in which every member pairs with the first one; ``pairs`` are sorted, the smaller position first."""
    if not len(pairs):
        return []
    taken: set[int] = set()
    groups = []
    leaders, starts = np.unique(pairs[:, 0], return_index=True)
    for leader, others in zip(leaders.tolist(), np.split(pairs[:, 1], starts[1:]), strict=True):
        if leader in taken:
            continue
        members = [other for other in others.tolist() if other not in taken]
        if members:
            taken.update(members)
            groups.append(np.array([leader, *members], np.int64))
    return groups


def chains(pairs: np.ndarray) -> list[np.ndarray]:
    """Groups of all positions that pairs link, directly or over others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    members, places = np.unique(pairs, return_inverse=True)
    i, j = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(len(members), len(members)))
    return gathered(connected_components(graph, directed=False)[1], members)


def gathered(numbers: np.ndarray, members: np.ndarray) -> list[np.ndarray]:
    """The ``members`` (n,) of each number in ``numbers`` (n,) that occurs more than once, each in ascending order."""
    if not len(numbers):
        return []
    order = np.lexsort((members, numbers))
    borders = np.flatnonzero(np.diff(numbers[order])) + 1
    return [group for group in np.split(members[order], borders) if len(group) > 1]
