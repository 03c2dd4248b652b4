"""Numbers from predictions (NumPy, scikit-learn)."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

Z = 1.959964
"""The normal quantile of a two-sided 95 % interval."""


def figures(probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, Any]:
    """Test figures from ``probabilities`` (n, classes) and true ``labels`` (n,).

    Accuracy with its 95 % Wilson interval, mean cross-entropy (natural logarithm), macro precision, recall and F1
    (a class that was never predicted counts 0), the same a class, and the confusion matrix (rows: truth).
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = probabilities.argmax(1)
    numbers = np.arange(len(classes))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=numbers, average=None, zero_division=0
    )
    right = int((predicted == labels).sum())
    own = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    low, high = wilson(right, len(labels))
    return {
        "examples": len(labels),
        "accuracy": right / len(labels),
        "interval": [low, high],
        "loss": float(-np.log(own).mean()),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "classes": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "examples": int(n)}
            for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
        ],
        "confusion": confusion_matrix(labels, predicted, labels=numbers).tolist(),
    }


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927): it holds near 0 and 1, where the usual one does not."""
    share, z2 = right / of, Z * Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z * sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_gain(transfer: np.ndarray, control: np.ndarray) -> dict[str, Any]:
    """The gain of one set of answers over another to the same questions: booleans (n,), right or wrong.

    With its 95 % interval over test examples, from the discordant pairs (Agresti and Min, 2005: half a pair more on
    either side, without which a handful of pairs would look sure). It says nothing about other splits or seeds.
    """
    n = len(transfer)
    better, worse = int((transfer & ~control).sum()), int((control & ~transfer).sum())
    b, c, m = better + 0.5, worse + 0.5, n + 2
    centre = (b - c) / m
    half = Z * sqrt(b + c - (b - c) ** 2 / m) / m
    return {"gain": (better - worse) / n, "interval": [max(-1.0, centre - half), min(1.0, centre + half)]}


def over_seeds(gains: list[float]) -> dict[str, Any]:
    """Mean of one gain a seed, its 95 % Student interval, and the two-sided sign-flip test.

    The test is exact up to 14 seeds; of more, 20,000 flips are drawn.

    ``significant`` is None below 6 seeds: with 5 the test cannot fall below 0.0625 whatever the gains.
    """
    from itertools import product

    from scipy.special import stdtrit  # Student's quantile, without loading all of scipy.stats

    values = np.asarray(gains, float)
    n = len(values)
    mean = float(values.mean())
    if n < 2:
        return {"seeds": n, "mean": mean, "interval": None, "p": None, "significant": None}
    half = float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / sqrt(n))
    if n <= 14:
        flips = np.array([*product((1, -1), repeat=n)])
    else:
        flips = np.random.default_rng(0).choice((1, -1), size=(20_000, n))
        flips[0] = 1  # what was seen is one of them: p is never 0
    p = float((np.abs(flips @ values) >= abs(values.sum()) - 1e-12).mean())
    interval = [mean - half, mean + half]
    significant = None if n < 6 else p < 0.05 and (interval[0] > 0 or interval[1] < 0)
    return {"seeds": n, "mean": mean, "interval": interval, "p": p, "significant": significant}


def surest_mistakes(probabilities: np.ndarray, labels: np.ndarray, most: int = 48) -> np.ndarray:
    """Positions of wrong answers, the most confident first."""
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:most]
