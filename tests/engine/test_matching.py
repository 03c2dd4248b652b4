"""Which layer goes into which, from lists of tensors alone."""

import time

from tlcore.engine.matching import match
from tlcore.engine.tensors import Tensor

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def norm(layer: str, *widths: int) -> list[Tensor]:
    return [Tensor(f"{layer}/{name}", "BatchNormalization", (n,)) for name, n in zip(NORM, widths, strict=True)]


def dense(layer: str, *shape: int) -> list[Tensor]:
    return [Tensor(f"{layer}/kernel", "Dense", shape), Tensor(f"{layer}/bias", "Dense", shape[-1:])]


def test_match_by_path_before_all():
    source = [*dense("a/one", 4, 4), *dense("b/one", 4, 4)]
    assert match(source, source[::-1]) == {tensor.path: tensor.path for tensor in source}


def test_match_by_the_layer_s_name_in_another_block():
    pairs = match([*dense("old/one", 4, 4), *dense("old/two", 4, 4)], dense("new/two", 4, 4))
    assert pairs == {"new/two/kernel": "old/two/kernel", "new/two/bias": "old/two/bias"}


def test_match_by_order_of_kind_and_shape():
    source = [*dense("x/p", 4, 8), *dense("x/q", 8, 8), *dense("x/r", 8, 8)]
    target = [*dense("y/s", 8, 8), *dense("y/t", 8, 8), *dense("y/u", 8, 8)]
    assert match(source, target) == {
        "y/s/kernel": "x/q/kernel", "y/s/bias": "x/q/bias", "y/t/kernel": "x/r/kernel", "y/t/bias": "x/r/bias",
    }  # fmt: skip


def test_match_never_mixes_kinds():
    source = [Tensor("x/p/gamma", "LayerNormalization", (8,)), Tensor("x/p/beta", "LayerNormalization", (8,))]
    target = [Tensor("y/s/gamma", "GroupNormalization", (8,)), Tensor("y/s/beta", "GroupNormalization", (8,))]
    assert match(source, target) == {}


def test_a_batch_normalisation_whole_or_not_at_all():
    target = norm("a/norm", 8, 8, 8, 8)
    assert len(match(norm("a/norm", 8, 8, 8, 8), target)) == 4
    assert match(norm("a/norm", 8, 8, 8, 8)[:3], target) == {}
    assert match(norm("a/norm", 8, 8, 8, 4), target) == {}
    # Four tensors that would do, but of two layers.
    assert match(norm("a/norm", 8, 8, 4, 4) + norm("b/other", 4, 4, 8, 8), target) == {}


def test_no_source_tensor_is_taken_twice():
    pairs = match(dense("x/p", 4, 4), [*dense("y/s", 4, 4), *dense("y/t", 4, 4)])
    assert pairs == {"y/s/kernel": "x/p/kernel", "y/s/bias": "x/p/bias"}


def test_a_layer_with_more_weights_than_wanted_is_no_match():
    assert match(dense("a/one", 4, 4), dense("a/one", 4, 4)[:1]) == {}
    assert match(norm("a/norm", 8, 8, 8, 8), norm("a/norm", 8, 8, 8, 8)[1:]) == {}


def test_a_foreign_file_without_blocks_is_matched_by_layer_names():
    source = [*dense("fc1", 4, 4), *dense("fc2", 4, 4)]
    assert match(source, dense("block/fc2", 4, 4)) == {"block/fc2/kernel": "fc2/kernel", "block/fc2/bias": "fc2/bias"}


def test_an_unknown_kind_is_matched_by_its_variables_and_order():
    source = [Tensor("x/p/kernel", "", (4, 4)), Tensor("x/p/bias", "", (4,))]
    assert match(source, dense("y/s", 4, 4)) == {"y/s/kernel": "x/p/kernel", "y/s/bias": "x/p/bias"}
    assert match([Tensor("x/p/kernel", "", (4, 4)), Tensor("x/p/offset", "", (4,))], dense("y/s", 4, 4)) == {}


def test_a_tensor_without_a_layer_is_one_of_its_own():
    assert match([Tensor("scale", "", (4,))], [Tensor("scale", "", (4,))]) == {"scale": "scale"}


def test_thousands_of_layers_of_one_shape_are_matched_at_once():
    source = [tensor for n in range(2000) for tensor in norm(f"a/x{n}", 8, 8, 8, 8)]
    target = [tensor for n in range(2000) for tensor in norm(f"b/y{n}", 8, 8, 8, 8)]
    began = time.perf_counter()
    pairs = match(source, target)
    assert pairs == {mine.path: theirs.path for mine, theirs in zip(target, source, strict=True)}
    assert time.perf_counter() - began < 5
