import numpy as np
import pytest

from tlcore.datasets import Arrays, Facts, most_samples_per_class, split, split_sizes

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 100, 7]))
COUNTS = (40, 100, 7)
SHARES = {"validation_share": 0.2, "test_share": 0.25}


def parts(**options):
    return split(Arrays(LABELS, LABELS), **({"samples_per_class": 3, "seed": 0} | SHARES | options))


def test_every_example_is_in_exactly_one_part():
    own = parts()
    everything = np.concatenate([own.train, own.validation, own.test, own.unused])
    assert np.sort(everything).tolist() == [*range(len(LABELS))]


@pytest.mark.parametrize("samples", [1, 3, None])
def test_sizes_are_known_before(samples: int | None):
    own = parts(samples_per_class=samples)
    told = split_sizes(Facts(COUNTS), samples_per_class=samples, **SHARES)
    assert told == {name: len(getattr(own, name)) for name in ("train", "validation", "test", "unused")}


def test_every_class_has_its_share():
    own = parts()
    assert np.bincount(LABELS[own.train]).tolist() == [3, 3, 3]
    assert np.bincount(LABELS[own.test]).tolist() == [10, 25, 2]
    assert np.bincount(LABELS[own.validation]).tolist() == [8, 20, 1]


def test_a_seed_gives_the_same_split_and_another_seed_another():
    assert all((getattr(parts(), n) == getattr(parts(), n)).all() for n in ("train", "validation", "test"))
    assert set(parts().test.tolist()) != set(parts(seed=1).test.tolist())


def test_with_fewer_samples_the_rest_stays_and_train_lies_within_the_larger():
    few, many = parts(samples_per_class=2), parts(samples_per_class=4)
    assert set(few.train.tolist()) < set(many.train.tolist())
    assert set(few.test.tolist()) == set(many.test.tolist())
    assert set(few.validation.tolist()) == set(many.validation.tolist())


def test_the_official_test_part_is_the_test():
    own = split(Arrays(LABELS, LABELS, test_from=100), samples_per_class=None, seed=0, **SHARES)
    assert np.sort(own.test).tolist() == [*range(100, len(LABELS))]
    assert max(own.train.max(), own.validation.max()) < 100 and len(own.unused) == 0
    counts, official = (tuple(np.bincount(y, minlength=3)) for y in (LABELS[:100], LABELS[100:]))
    told = split_sizes(Facts(counts, official), samples_per_class=None, **SHARES)
    assert told == {"train": len(own.train), "validation": len(own.validation), "test": len(own.test), "unused": 0}


def test_the_parts_that_a_dataset_brings_stay_as_they_are():
    arrays = Arrays(LABELS, LABELS, test_from=120, validation_from=100)
    own = split(arrays, samples_per_class=None, seed=0, **SHARES)
    assert np.sort(own.train).tolist() == [*range(100)]
    assert np.sort(own.validation).tolist() == [*range(100, 120)]
    assert np.sort(own.test).tolist() == [*range(120, len(LABELS))]
    counts, validation, test = (tuple(np.bincount(y, minlength=3)) for y in np.split(LABELS, [100, 120]))
    told = split_sizes(Facts(counts, test, validation), samples_per_class=None, **SHARES)
    assert told == {"train": 100, "validation": 20, "test": len(LABELS) - 120, "unused": 0}


def test_most_samples_per_class_is_what_the_smallest_class_can_give():
    most = most_samples_per_class(Facts(COUNTS), **SHARES)
    assert most == 7 - 2 - 1
    assert np.bincount(LABELS[parts(samples_per_class=most).train]).tolist() == [most] * 3
    assert most_samples_per_class(Facts((2, 100)), 0.2, 0.2) == 0
