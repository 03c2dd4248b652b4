"""Probes and LogME on small made data, and real looks at small datasets."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import until
from scipy.optimize import minimize

from tlcore import RunSpec, advice, probing, runs, worker
from tlcore.datasets import dataset, split
from tlcore.engine import advising, journey, probes

RANDOM = np.random.default_rng(0)


def brute_evidence(features: np.ndarray, labels: np.ndarray) -> float:
    """The largest log evidence an example, by search over both precisions: the Gaussian density of the labels."""
    n = len(features)

    def cost(logs: np.ndarray, y: np.ndarray) -> float:
        alpha, beta = np.exp(np.clip(logs, -20, 20))
        covariance = np.eye(n) / beta + features @ features.T / alpha
        _, size = np.linalg.slogdet(2 * np.pi * covariance)
        return 0.5 * (size + y @ np.linalg.solve(covariance, y))

    found = []
    for label in np.unique(labels):
        y = (labels == label).astype(float)
        starts = [np.array([a, b]) for a in (-3.0, 0.0, 3.0) for b in (-2.0, 0.0, 3.0)]
        best = min(minimize(cost, start, (y,), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).fun
                   for start in starts)  # fmt: skip
        found.append(-best / n)
    return float(np.mean(found))


@pytest.mark.parametrize(("n", "d"), [(40, 5), (30, 12), (20, 30)])
def test_logme_is_the_largest_evidence(n: int, d: int):
    labels = np.arange(n) % 3
    features = RANDOM.standard_normal((n, d)) + 0.8 * np.eye(3)[labels] @ RANDOM.standard_normal((3, d))
    assert probes.logme(features, labels) == pytest.approx(brute_evidence(features, labels), abs=2e-4)


def test_logme_prefers_features_that_say_something():
    labels = np.arange(120) % 4
    noise = RANDOM.standard_normal((120, 10))
    told = noise + 2 * np.eye(4)[labels] @ RANDOM.standard_normal((4, 10))
    assert probes.logme(told, labels) > probes.logme(noise, labels) + 0.1


@pytest.mark.parametrize(("n", "d"), [(200, 10), (60, 300)])
def test_a_probe_tells_apart_what_can_be_told_and_nothing_else(n: int, d: int):
    labels = np.arange(n) % 4
    noise = RANDOM.standard_normal((n, d)).astype(np.float32)
    told = noise + 3 * np.eye(4)[labels] @ RANDOM.standard_normal((4, d))
    over = probes.folds(labels, labels[:0], 0)
    assert np.mean(probes.accuracies(told, labels, over)) > 0.95
    assert np.mean(probes.accuracies(noise, labels, over)) < 0.45


def test_a_probe_does_not_mind_units_nor_features_that_never_change():
    labels = np.arange(80) % 2
    told = RANDOM.standard_normal((80, 6)) + labels[:, None]
    over = probes.folds(labels, labels[:0], 0)
    scaled = np.hstack([told * np.array([1, 1e3, 1e-3, 1, 50, 1]) + 7, np.full((80, 2), 3.0)])
    assert probes.accuracies(scaled, labels, over) == probes.accuracies(told, labels, over)
    assert np.mean(probes.accuracies(np.ones((80, 3)), labels, over)) == 0.5  # nothing to go by


def test_a_ridge_s_strength_is_the_one_whose_left_out_error_is_least():
    x, y = RANDOM.standard_normal((30, 8)), RANDOM.standard_normal((30, 1))
    x, y = x - x.mean(0), y + x[:, :1]
    y = y - y.mean(0)

    def left_out(strength: float) -> float:
        total = 0.0
        for i in range(30):
            rest = np.arange(30) != i
            mean_x, mean_y = x[rest].mean(0), y[rest].mean(0)
            a, b = x[rest] - mean_x, y[rest] - mean_y
            weights = np.linalg.solve(a.T @ a + strength * np.eye(8), a.T @ b)
            total += float((y[i] - mean_y - (x[i] - mean_x) @ weights)[0] ** 2)
        return total

    strengths = probes.STRENGTHS * 30
    best = strengths[int(np.argmin([left_out(own) for own in strengths]))]
    expected = np.linalg.solve(x.T @ x + best * np.eye(8), x.T @ y)
    np.testing.assert_allclose(probes._ridge(x, y), expected, atol=1e-10)


@pytest.mark.parametrize(("each", "count"), [(1, 5), (2, 2), (3, 3), (5, 5), (40, 5)])
def test_folds_fit_on_training_examples_alone_and_try_each_other_one_once(each: int, count: int):
    train, validation = np.repeat(np.arange(4), each), np.repeat(np.arange(4), 10)
    over = probes.folds(train, validation, 3)
    assert len(over) == count
    tried = np.concatenate([fold.tried for fold in over])
    expected = range(len(train) + len(validation)) if each > 1 else range(len(train), len(train) + len(validation))
    assert sorted(tried) == [*expected]
    for fold in over:
        assert not {*fold.fitted} & {*fold.tried} and fold.fitted.max() < len(train)
        assert {*train[fold.fitted]} == {0, 1, 2, 3}


def carried_out(question: dict) -> runs.Run:
    job = runs.create(question, task=runs.ADVISE)
    taken, lock = runs.claim("studio")
    assert taken.id == job
    with lock:
        journey.carry_out(taken)
    return runs.get(job)


def test_a_real_look_tells_a_source_from_random_weights(source_run: str):
    spec = RunSpec(dataset="printed_digits", source=f"run:{source_run}", samples_per_class=5)
    done = carried_out(probing.question(spec, [f"run:{source_run}", "imagenet/resnet50"]))
    assert done.status == "finished", worker.follow(done.id).failure
    told = done.result
    assert told["examples"] == {"fitted": 50, "tried": told["examples"]["tried"], "learnt": 50, "a_class": 5}
    assert 50 < told["examples"]["tried"] <= 550 and told["classes"] == 10
    (row,) = told["sources"]
    assert [(cut["block"], cut["below"], cut["dimension"]) for cut in row["cuts"]] == [
        ("conv1", 1, 32), ("conv2", 2, 64), ("conv3", 3, 128),
    ]  # fmt: skip
    best, random = (max(cut["accuracy"] for cut in row[kind]) for kind in ("cuts", "random"))
    assert 0.2 < random < best <= 1.0 and 0.2 < told["raw"]["accuracy"] <= 1.0
    assert all(np.isfinite(cut["logme"]) and cut["error"] >= 0 and len(cut["folds"]) == 5 for cut in row["cuts"])
    assert [left["source"] for left in told["left_out"]] == ["imagenet/resnet50"]  # nothing is downloaded unasked
    own = advice.recommend(spec, json.loads(json.dumps(told)))
    assert own.ranking[0].source == f"run:{source_run}" and not own.ranking[0].seen
    progress = [event.data for event in runs.events(done.id) if event.kind == "progress"]
    assert all(0 <= one["done"] <= one["of"] == 3 * told["examples"]["tried"] for one in progress)


def test_equal_questions_get_equal_figures(source_run: str):
    spec = RunSpec(dataset="digits", samples_per_class=5)
    question = probing.question(spec, [f"run:{source_run}"])
    first, second = (carried_out(question).result for _ in range(2))
    for told in (first, second):
        told.pop("seconds")
        for row in told["sources"]:
            row.pop("seconds"), row.pop("pass_seconds")
    assert first == second and first["sources"][0]["seen"]


def test_tables_are_looked_at_too(lab: Path):
    spec = RunSpec(dataset="vectors_b", source="vectors_a", samples_per_class=20)
    done = carried_out(probing.question(spec, ["vectors_a"]))
    assert done.status == "finished", worker.follow(done.id).failure
    (row,) = done.result["sources"]
    assert [cut["block"] for cut in row["cuts"]] == ["dense1", "dense2"]
    assert row["cuts"][-1]["accuracy"] > done.result["raw"]["accuracy"] > row["random"][-1]["accuracy"]
    assert advice.recommend(spec, done.result).spec_changes == {"source": "vectors_a", "strategy": "linear_probe"}


def test_the_test_part_is_never_looked_at_and_classes_keep_their_shares():
    for spec in (RunSpec(samples_per_class=5), RunSpec(samples_per_class=None, seed=3), RunSpec(samples_per_class=1)):
        arrays = dataset(spec.dataset).load()
        where = split(arrays, samples_per_class=spec.samples_per_class, validation_share=0.2, test_share=0.2,
                      seed=spec.seed)  # fmt: skip
        chosen = advising._chosen(arrays, spec, 600)
        assert not {*chosen.positions} & {*where.test, *where.unused}
        assert {*chosen.positions[: chosen.fitted]} <= {*where.train}
        assert {*chosen.positions[chosen.fitted :]} <= {*where.validation}
        assert len(chosen.positions) <= 600 and chosen.learnt == len(where.train)


def test_some_of_many_keep_rare_classes():
    labels = np.array([0] * 5_000 + [1] * 30 + [2] * 2)
    positions = np.random.default_rng(1).permutation(len(labels))
    taken = labels[advising._some(positions, labels, 1_000)]
    counts = np.bincount(taken)
    assert len(taken) == 1_000 and counts[2] == 2 and 5 <= counts[1] <= 9


@pytest.mark.parametrize(("blocks", "below"), [(1, [1]), (3, [1, 2, 3]), (6, [1, 2, 3, 4, 5, 6])])
def test_cuts_of_shallow_bodies_are_all(blocks: int, below: list[int]):
    assert advising._cuts(blocks) == below


def test_cuts_of_deep_bodies_are_spread_and_end_at_the_last():
    for blocks in range(7, 40):
        below = advising._cuts(blocks)
        assert len(below) == advising.MOST_CUTS and below[0] == 1 and below[-1] == blocks


def test_wide_features_are_narrowed_and_still_tell():
    labels = np.arange(60) % 3
    wide = RANDOM.standard_normal((60, 5_000)).astype(np.float32) + 0.4 * np.sign(np.eye(3) - 0.5)[labels].repeat(
        [1667, 1667, 1666], axis=1
    )
    narrow = advising._narrowed(wide.astype(np.float32))
    assert narrow.shape == (60, advising.MOST_NUMBERS)
    assert np.mean(probes.accuracies(narrow, labels, probes.folds(labels, labels[:0], 0))) > 0.9


def test_a_look_stops_when_asked(lab: Path):
    """While its source is still in training, say."""
    job = runs.create(probing.question(RunSpec(dataset="vectors_b"), ["vectors_a"]), task=runs.ADVISE)
    taken, lock = runs.claim("studio")

    def ask() -> None:
        until(lambda: worker.follow(job).stage)
        runs.ask_to_stop(job)

    thread = threading.Thread(target=ask)
    thread.start()
    with lock:
        journey.carry_out(taken)
    thread.join()
    assert runs.get(job).status == "stopped" and runs.get(job).result is None


def test_no_source_is_why(lab: Path):
    done = carried_out(probing.question(RunSpec(dataset="digits"), ["imagenet/resnet50"]))
    assert done.status == "failed"
    assert "not on this computer" in worker.follow(done.id).failure["reason"]
