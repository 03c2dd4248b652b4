from pathlib import Path

import numpy as np
import pytest

from tlcore import RunSpec, devices, runs
from tlcore.admission import admit, blocks, resolved
from tlcore.spec import Phase, Problem, Refused

pytestmark = pytest.mark.usefixtures("lab")

SCRATCH = RunSpec(source="none", strategy="scratch", network=None)


def problems(spec: RunSpec) -> list[Problem]:
    with pytest.raises(Refused) as caught:
        admit(spec)
    for problem in caught.value.problems:
        assert problem.expected and problem.remedy
    return list(caught.value.problems)


def problem(spec: RunSpec) -> Problem:
    (one,) = problems(spec)
    return one


def test_what_is_left_open_is_filled_in():
    assert admit(RunSpec()) == RunSpec(network="small_cnn")
    assert admit(SCRATCH) == SCRATCH.revised(network="small_cnn", control=False)
    assert admit(SCRATCH.revised(dataset="wine")).network == "dense_64_32"
    assert admit(SCRATCH.revised(network="dense_64")).network == "dense_64"


def test_what_was_admitted_is_admitted_as_it_is():
    assert admit(admit(RunSpec())) == admit(RunSpec())


def test_blocks_of_a_question():
    assert [block.name for block in blocks(SCRATCH.revised(dataset="wine"))] == ["dense1", "dense2", "head"]
    assert blocks(RunSpec())[-1].output_shape == (10,)


@pytest.mark.parametrize(
    ("field", "wrong", "near"),
    [
        ("dataset", "digit", "digits"),
        ("source", "leters", "letters"),
        ("strategy", "lpft", "lp_ft"),
        ("network", "smal_cnn", "small_cnn"),
        ("evaluate_on", "printed_digit", "printed_digits"),
    ],
)
def test_an_unknown_name(field: str, wrong: str, near: str):
    one = problem(RunSpec(**{field: wrong}))
    assert (one.field, one.received, one.remedy) == (field, wrong, f"did you mean {near!r}?")
    assert near in one.expected


def test_unknown_names_come_all_at_once():
    assert {one.field for one in problems(RunSpec(dataset="x", source="y", strategy="z"))} == {
        "dataset", "source", "strategy",
    }  # fmt: skip


def test_fields_out_of_range_come_first():
    assert [one.field for one in problems(RunSpec(dataset="x", epochs=0))] == ["epochs"]


def test_scratch_borrows_nothing():
    one = problem(RunSpec(strategy="scratch"))
    assert (one.field, one.received) == ("source", "letters") and "'none'" in one.remedy


def test_a_strategy_that_borrows_needs_a_source():
    one = problem(RunSpec(source="none"))
    assert (one.field, one.received) == ("source", "none") and "'scratch'" in one.remedy


def test_another_network_than_the_source_has():
    one = problem(RunSpec(network="dense_64"))
    assert (one.field, one.received) == ("network", "dense_64") and "'small_cnn'" in one.expected


def test_a_source_for_other_inputs():
    one = problem(RunSpec(dataset="wine"))
    assert (one.field, one.received) == ("source", "letters")
    assert "13 features" in one.expected and "8×8" in one.remedy
    assert problem(RunSpec(source="vectors_a")).field == "source"


def test_a_source_for_other_sizes_and_colours_is_adapted():
    assert admit(RunSpec(source="mnist")).network == "dense_128"
    assert admit(RunSpec(dataset="cifar10")).network == "small_cnn"
    assert admit(RunSpec(dataset="wine", source="vectors_a", network="dense_64")).network == "dense_64"


def test_pictures_are_brought_to_what_an_imagenet_network_likes():
    asked = RunSpec(dataset="cifar10", source="imagenet/mobilenet_0.25")
    assert admit(asked).image_size == 96 and blocks(asked)[0].input_shape == (96, 96, 3)
    assert admit(asked.revised(image_size=32)).image_size is None  # as they are
    grey = RunSpec(dataset="digits", source="imagenet/mobilenet_0.25", image_size=64)
    assert blocks(grey)[0].input_shape == (64, 64, 3)
    one = problem(asked.revised(image_size=16))
    assert (one.field, one.received) == ("image_size", 16) and "at least 32" in one.expected


def test_grey_pictures_have_no_colour_to_change():
    assert problem(RunSpec(augmentation=("rotate", "colour"))).field == "augmentation"
    assert admit(RunSpec(dataset="cifar10", augmentation=("colour",)))


def test_changes_of_pictures_need_pictures():
    wine = SCRATCH.revised(dataset="wine")
    assert {one.field for one in problems(wine.revised(augmentation=("flip",), image_size=32))} == {
        "augmentation", "image_size",
    }  # fmt: skip
    # Rows could be mixed, but training mixes pictures alone: what is not done is not admitted.
    assert problem(wine.revised(augmentation=("mix_up",))).field == "augmentation"


def test_convolutions_over_a_row():
    one = problem(SCRATCH.revised(dataset="wine", network="small_cnn"))
    assert (one.field, one.received) == ("network", "small_cnn")
    assert "13 features" in one.expected and "'dense_64_32'" in one.remedy


def test_an_output_layer_for_other_classes_cannot_be_copied():
    one = problem(RunSpec(strategy="copy_all"))
    assert (one.field, one.received) == ("strategy", "copy_all")
    assert "37" in one.expected and "10" in one.expected and "'lp_ft'" in one.remedy


def test_more_blocks_than_there_are():
    most = len(blocks(RunSpec())) - 1
    one = problem(RunSpec(strategy="last_blocks", blocks=most + 1))
    assert (one.field, one.received) == ("blocks", most + 1) and f"at most {most}" in one.expected
    assert admit(RunSpec(strategy="last_blocks", blocks=most))
    assert admit(RunSpec(strategy="lp_ft", blocks=1_000))  # which does not read it


@pytest.mark.parametrize(("strategy", "phases"), [("lp_ft", 2), ("gradual", len(blocks(RunSpec())))])
def test_an_epoch_for_each_phase(strategy: str, phases: int):
    one = problem(RunSpec(strategy=strategy, epochs=phases - 1))
    assert (one.field, one.received) == ("epochs", phases - 1) and f"at least {phases}" in one.expected
    assert admit(RunSpec(strategy=strategy, epochs=phases))


def test_nothing_left_to_learn_from():
    one = problem(RunSpec(validation_share=0.5, test_share=0.4))
    assert (one.field, one.received) == ("test_share", 0.4)


def test_more_samples_than_a_class_has():
    one = problem(RunSpec(samples_per_class=1000))
    assert (one.field, one.received) == ("samples_per_class", 1000)
    most = int(one.remedy.split()[1])
    assert admit(RunSpec(samples_per_class=most)) and problem(RunSpec(samples_per_class=most + 1))
    assert admit(RunSpec(samples_per_class=None))


def test_evaluate_on_a_dataset_of_another_kind():
    one = problem(RunSpec(evaluate_on="wine"))
    assert (one.field, one.received) == ("evaluate_on", "wine") and "printed_digits" in one.remedy
    assert admit(RunSpec(evaluate_on="printed_digits"))


def test_evaluate_on_the_dataset_that_it_learns_from():
    one = problem(RunSpec(evaluate_on="digits"))
    assert one.field == "evaluate_on" and "digits" not in one.remedy.replace("printed_digits", "")


@pytest.mark.skipif(bool(devices.gpus()), reason="there is a GPU here")
def test_a_gpu_where_there_is_none():
    one = problem(RunSpec(device="gpu"))
    assert (one.field, one.received) == ("device", "gpu") and "'auto'" in one.remedy


def ready_file(folder: Path, **changes: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    y = np.repeat(np.arange(10), 20)
    kept = {"x_train": np.zeros((200, 28, 28), np.uint8), "y_train": y, "x_test": np.zeros((200, 28, 28), np.uint8)}
    np.savez(folder / "mnist.npz", **(kept | {"y_test": y} | changes))


def test_a_dataset_that_is_not_downloaded_is_admitted_by_its_published_size():
    spec = RunSpec(dataset="mnist", source="none", strategy="scratch")
    assert admit(spec) and problem(spec.revised(samples_per_class=6000)).field == "samples_per_class"


def test_a_ready_file_is_counted(lab: Path):
    ready_file(lab / "datasets")
    one = problem(RunSpec(dataset="mnist", source="none", strategy="scratch", samples_per_class=17))
    assert "at most 16" in one.expected


def test_a_class_with_next_to_no_examples(lab: Path):
    ready_file(lab / "datasets", y_train=np.array([*[0, 1] * 95, *range(10)]))
    one = problem(RunSpec(dataset="mnist", source="none", strategy="scratch", samples_per_class=1))
    assert (one.field, one.received) == ("dataset", "mnist") and "at least 2 examples" in one.expected


def test_a_damaged_file(lab: Path):
    (lab / "datasets").mkdir(parents=True)
    (lab / "datasets" / "mnist.npz").write_bytes(b"not an archive")
    one = problem(RunSpec(dataset="mnist", source="none", strategy="scratch"))
    assert (one.field, one.received) == ("dataset", "mnist") and "mnist.npz" in one.remedy


def test_a_run_as_a_source():
    spec = admit(SCRATCH.revised(dataset="printed_digits"))
    run = runs.create(spec)
    assert problem(RunSpec(source=f"run:{run}")).field == "source"  # it has not finished
    runs.tell(run, "finished", seconds={})
    assert resolved(RunSpec(source=f"run:{run}")).network == "small_cnn"
    assert admit(RunSpec(source=f"run:{run}", strategy="copy_all"))


def test_a_source_that_has_seen_the_test_examples():
    run = runs.create(admit(SCRATCH.revised(seed=4)))
    runs.tell(run, "finished", seconds={})
    one = problem(RunSpec(source=f"run:{run}", seed=5))
    assert (one.field, one.received) == ("seed", 5) and "seed 4" in one.remedy
    assert problem(RunSpec(source=f"run:{run}", seed=4, test_share=0.3)).field == "seed"
    assert admit(RunSpec(source=f"run:{run}", seed=4))  # the same test examples: it has learnt from none of them
    assert admit(RunSpec(source=f"run:{run}", dataset="printed_digits", seed=5))


def finished(spec: RunSpec) -> str:
    run = runs.create(admit(spec))
    runs.tell(run, "finished", seconds={})
    return run


def test_a_source_whose_own_source_has_seen_the_test_examples():
    seen = finished(SCRATCH.revised(seed=4))
    between = finished(RunSpec(dataset="printed_digits", source=f"run:{seen}", seed=9))
    assert problem(RunSpec(source=f"run:{between}", seed=5)).field == "seed"
    assert admit(RunSpec(source=f"run:{between}", seed=4))


def test_a_source_whose_question_a_newer_version_asked():
    run = runs.create({"dataset": "digits", "colour": "red"})
    runs.tell(run, "finished", seconds={})
    assert problem(RunSpec(source=f"run:{run}")).field == "source"


def test_a_plan_in_which_the_head_never_learns():
    phase = Phase("one", 3, 0.01, ("conv2",))
    own = problem(RunSpec(strategy="custom", plan=(phase,)))
    assert own.field == "plan" and "head" in own.received
    assert admit(RunSpec(strategy="custom", plan=(phase, Phase("two", 3, 0.01, ("head",))))).epochs == 6


def test_ranges_of_blocks_that_begin_behind_the_body():
    own = problem(RunSpec(strategy="surgical", first_block=1000))
    assert own.field == "first_block" and own.expected == "at most 3: this body has 3"
    assert problem(RunSpec(strategy="surgical", first_block=2, blocks=3)).expected == "at most 2: this body has 3"


def test_adapters_of_a_higher_rank_than_any_kernel():
    own = problem(RunSpec(strategy="lora", lora_rank=129))
    assert own.field == "lora_rank" and own.expected.startswith("at most 128,")
    assert admit(RunSpec(strategy="lora", lora_rank=128)).lora_rank == 128
    assert admit(RunSpec(strategy="lp_ft", lora_rank=129)).lora_rank == RunSpec().lora_rank  # it is not read
