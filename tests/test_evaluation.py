import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score

from tlcore import evaluation

CLASSES = ("a", "b", "c")


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    probabilities = random.dirichlet((1, 1, 1), 200)
    labels = np.where(random.random(200) < 0.6, probabilities.argmax(1), random.integers(0, 3, 200))
    return probabilities, labels


def test_figures_are_those_of_scikit_learn(answers):
    probabilities, labels = answers
    told, predicted = evaluation.figures(probabilities, labels, CLASSES), probabilities.argmax(1)
    assert told["examples"] == 200
    assert told["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    assert told["loss"] == pytest.approx(log_loss(labels, probabilities, labels=[0, 1, 2]))
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert told[f"macro_{name}"] == pytest.approx(score(labels, predicted, average="macro"))
        assert [row[name] for row in told["classes"]] == pytest.approx(score(labels, predicted, average=None))


def test_a_class_that_was_never_predicted_counts_nothing():
    told = evaluation.figures(np.eye(3)[[0, 0, 1, 1]], np.array([0, 0, 1, 2]), CLASSES)
    assert told["classes"][2] == {"class": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 1}
    assert told["macro_precision"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert told["confusion"] == [[2, 0, 0], [0, 1, 0], [0, 1, 0]]  # rows: truth
    assert told["accuracy"] == 0.75


def test_a_class_without_examples_does_not_break_the_figures():
    told = evaluation.figures(np.eye(3)[[0, 1]], np.array([0, 1]), CLASSES)
    assert told["accuracy"] == 1.0 and told["classes"][2]["examples"] == 0


def test_a_probability_of_nought_has_a_finite_loss():
    assert np.isfinite(evaluation.figures(np.eye(3)[[0]], np.array([1]), CLASSES)["loss"])


def test_wilson_by_hand():
    assert evaluation.wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-5)
    assert evaluation.wilson(0, 10) == pytest.approx((0, 0.277533), abs=1e-5)
    assert evaluation.wilson(10, 10) == pytest.approx((0.722467, 1), abs=1e-5)


def test_paired_gain_by_hand():
    transfer = np.array([True] * 70 + [False] * 30)
    control = np.array([True] * 50 + [False] * 20 + [True] * 10 + [False] * 20)
    told = evaluation.paired_gain(transfer, control)  # 20 better, 10 worse
    centre, half = 10 / 102, 1.959964 * np.sqrt(31 - 10**2 / 102) / 102  # half a pair more on either side
    assert told["gain"] == pytest.approx(0.1)
    assert told["interval"] == pytest.approx([centre - half, centre + half])


def test_no_gain_over_oneself():
    same = np.array([True, False, True])
    told = evaluation.paired_gain(same, same)
    assert told["gain"] == 0.0 and told["interval"][0] == -told["interval"][1] < 0


def test_one_seed_is_an_anecdote():
    told = evaluation.over_seeds([0.1])
    assert told["interval"] is None and told["p"] is None and told["significant"] is None


@pytest.mark.parametrize(("seeds", "p"), [(3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_the_least_p_that_a_number_of_seeds_can_give(seeds: int, p: float):
    told = evaluation.over_seeds([0.1 + 0.001 * n for n in range(seeds)])
    assert told["p"] == p
    assert told["significant"] is (True if seeds >= 6 else None)


def test_gains_of_both_signs_are_not_significant():
    gains = [0.1, -0.1, 0.05, -0.04, 0.02, 0.01]
    told = evaluation.over_seeds(gains)
    half = t.ppf(0.975, 5) * np.std(gains, ddof=1) / np.sqrt(6)
    assert told["interval"] == pytest.approx([np.mean(gains) - half, np.mean(gains) + half])
    assert told["significant"] is False and told["p"] > 0.5


def test_many_seeds():
    assert evaluation.over_seeds([0.1] * 10 + [0.11] * 10)["p"] < 0.001


def test_a_sampled_test_never_says_that_chance_is_impossible():
    assert evaluation.over_seeds([0.1] * 40)["p"] > 0


def test_the_surest_mistakes_come_first():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    assert evaluation.surest_mistakes(probabilities, np.array([0, 0, 0, 1])).tolist() == [2, 1]
    assert evaluation.surest_mistakes(probabilities, np.array([0, 0, 0, 1]), most=1).tolist() == [2]


def test_a_handful_of_pairs_is_not_called_a_difference():
    transfer, control = np.ones(36, bool), np.array([False] * 4 + [True] * 32)
    low, high = evaluation.paired_gain(transfer, control)["interval"]  # McNemar's exact test: p = 0.125
    assert low < 0 < high
