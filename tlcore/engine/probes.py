"""How well features tell classes apart: a cross-validated linear probe, and LogME. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_FOLDS = 5
STRENGTHS = 10.0 ** np.arange(-3, 3.5, 0.5)
"""Of the ridge, times the number of examples; leave-one-out chooses."""
STILL = 1e-6
"""A feature whose spread is smaller than this share of its largest value is rounding: it is left out."""


@dataclass(frozen=True)
class Fold:
    """Positions of examples: those that a probe is fitted on, and those that it is tried on."""

    fitted: np.ndarray
    tried: np.ndarray


def folds(train: np.ndarray, validation: np.ndarray, seed: int) -> list[Fold]:
    """Folds over the labels of training examples, and after them validation examples, every one of which is tried once.

    Probes are fitted on training examples alone, so that they have as many as a run will have; those of the validation
    part are only tried. There are at most :data:`MOST_FOLDS`, and no more than the smallest class has training
    examples. Where that is one, each fold is fitted on all of them.
    """
    random = np.random.default_rng(seed)
    smallest = int(np.bincount(np.unique(train, return_inverse=True)[1]).min())
    alone = smallest < 2
    count = MOST_FOLDS if alone else min(MOST_FOLDS, smallest)
    own, held = _dealt(train, count, random), _dealt(validation, count, random)
    positions, behind = np.arange(len(train)), len(train) + np.arange(len(validation))
    return [
        Fold(positions, behind[held == n]) if alone
        else Fold(positions[own != n], np.concatenate([positions[own == n], behind[held == n]]))
        for n in range(count)
        if not alone or (held == n).any()
    ]  # fmt: skip


def _dealt(labels: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """The number of a fold for each example; every class is dealt out evenly, the next where the last one ended."""
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    dealt = np.empty(len(labels), np.int64)
    dealt[order] = np.arange(len(labels)) % count
    return dealt


def accuracies(features: np.ndarray, labels: np.ndarray, over: Sequence[Fold]) -> list[float]:
    """The accuracy of a linear probe in each fold, on what it was not fitted on.

    ``features`` (n, d), ``labels`` (n,) whole numbers from 0. The probe is a ridge classifier on standardised
    features, its strength chosen by leave-one-out on the examples that it is fitted on.
    """
    found = []
    for fold in over:
        answers = _answers(features[fold.fitted], labels[fold.fitted], features[fold.tried], int(labels.max()) + 1)
        found.append(float((answers == labels[fold.tried]).mean()))
    return found


def _answers(x: np.ndarray, labels: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    x, others = np.asarray(x, np.float64), np.asarray(others, np.float64)
    mean, spread = x.mean(0), x.std(0)
    moves = spread > STILL * np.abs(x).max(0)
    x, others = ((part[:, moves] - mean[moves]) / spread[moves] for part in (x, others))
    targets = np.eye(classes)[labels]
    level = targets.mean(0)
    return np.asarray((others @ _ridge(x, targets - level) + level).argmax(1))


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights (d, classes) of a ridge regression of centred ``y`` on centred ``x``, at the strength whose error
    with one example left out is least; all strengths come from one decomposition."""
    n, d = x.shape
    wide = d > n
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > 1e-10 * max(float(values.max(initial=0.0)), 1e-30)
    values, vectors = values[kept], vectors[:, kept]
    left = vectors if wide else x @ vectors / np.sqrt(values)  # (n, r), orthonormal
    along = left.T @ y
    errors = []
    for strength in STRENGTHS * n:
        shrunk = values / (values + strength)
        levers = (left**2 * shrunk).sum(1) + 1 / n
        residuals = (y - left @ (shrunk[:, None] * along)) / np.maximum(1 - levers, 1e-6)[:, None]
        errors.append((residuals**2).sum())
    strength = STRENGTHS[int(np.argmin(errors))] * n
    inner = (np.sqrt(values) / (values + strength))[:, None] * along
    right = x.T @ (vectors / np.sqrt(values)) if wide else vectors  # (d, r)
    return np.asarray(right @ inner)


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """The log of the maximum evidence of labels given features, a label and an example: the higher, the better.

    ``features`` (n, d) as they are, ``labels`` (n,). For each class a Bayesian linear regression of "is it this one";
    its two precisions are found by MacKay's fixed point (You et al., 2021, arXiv:2102.11005, algorithm 1). With more
    features than examples the determinant is taken over all d of them.
    """
    left, values, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    squares = values**2
    return float(np.mean([_evidence(left, squares, labels == label) for label in np.unique(labels)]))


def _evidence(left: np.ndarray, squares: np.ndarray, mine: np.ndarray) -> float:
    n, y = len(mine), mine.astype(np.float64)
    along = (left.T @ y) ** 2
    outside = max(float(y @ y - along.sum()), 0.0)
    alpha = beta = 1.0

    def lengths(ratio: float) -> tuple[float, float]:
        """The squared lengths of the weights and of the residual."""
        weights = (squares * along / (squares + ratio) ** 2).sum()
        return float(weights), float((along * (ratio / (squares + ratio)) ** 2).sum() + outside)

    for _ in range(100):
        ratio = alpha / beta
        weights, residual = lengths(ratio)
        gamma = float((squares / (squares + ratio)).sum())
        alpha, beta = gamma / (weights + 1e-12), (n - gamma) / (residual + 1e-12)
        alpha, beta = min(alpha, 1e12), min(max(beta, 1e-12), 1e12)
        if abs(alpha / beta - ratio) <= 1e-6 * ratio:
            break
    weights, residual = lengths(alpha / beta)
    fits = n * np.log(beta) - n * np.log(2 * np.pi) - beta * residual - alpha * weights
    return float(fits + (np.log(alpha) - np.log(alpha + beta * squares)).sum()) / (2 * n)
