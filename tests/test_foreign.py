"""What people bring: files of weights and networks, good ones read exactly, bad ones refused in a limited process."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from tlcore import foreign
from tlcore.catalogue import UnknownName
from tlcore.engine import foreign as engine
from tlcore.engine import foreign_network, network_config
from tlcore.engine.tensors import settle, tensors
from tlcore.engine.weight_files import Refused

LAYERS = keras.layers
ROOT = Path(__file__).parents[1]


def take_in(path: Path) -> Any:
    return foreign.get(engine.take_in(path, lambda *_: None, lambda: None))


def drawn(model: keras.Model, seed: int = 0) -> keras.Model:
    """The model with weights that are all different, statistics that are no zeros and ones included."""
    numbers = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.dtype.startswith("float"):
            spread = 1 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
            values = numbers.normal(size=variable.shape) * spread
            variable.assign(np.abs(values) + 0.5 if "variance" in variable.name else values)
    settle([model])
    return model


def convolutional() -> keras.Model:
    inputs = x = keras.Input((32, 32, 3))
    x = LAYERS.Rescaling(1 / 255)(x)
    for filters in (8, 16, 16):
        y = LAYERS.ReLU()(LAYERS.BatchNormalization()(LAYERS.Conv2D(filters, 3, padding="same")(x)))
        x = LAYERS.MaxPooling2D()(LAYERS.Conv2D(filters, 1)(x) + y)
    x = LAYERS.Dropout(0.2)(LAYERS.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, LAYERS.Dense(5, activation="softmax")(x), name="small")


def nested() -> keras.Model:
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3), alpha=0.35)
    layers = [LAYERS.RandomFlip(), LAYERS.Rescaling(1 / 127.5, offset=-1), base, LAYERS.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((64, 64, 3)), *layers, LAYERS.Dense(7), LAYERS.Softmax()], name="cats")


def attentive() -> keras.Model:
    inputs = keras.Input((16, 8))
    x = LAYERS.LayerNormalization()(LAYERS.MultiHeadAttention(2, 4)(inputs, inputs) + inputs)
    x = LAYERS.LSTM(7)(LAYERS.Bidirectional(LAYERS.GRU(6, return_sequences=True))(x))
    inner = keras.Sequential([LAYERS.Dense(9), LAYERS.BatchNormalization()], name="inner")
    return keras.Model(inputs, LAYERS.Dense(2)(inner(x)), name="attentive")


def table() -> keras.Model:
    layers = [LAYERS.Dense(8, activation="relu"), LAYERS.Normalization(), LAYERS.Dense(6, activation="gelu")]
    model = keras.Sequential([*layers, LAYERS.Dense(3)], name="table")
    model.build((None, 10))
    return model


@pytest.mark.parametrize(
    ("make", "input_shape", "outputs", "blocks", "preprocessing"),
    [
        (convolutional, (32, 32, 3), 5, 3, "inside"),
        (nested, (64, 64, 3), 7, 8, "inside"),
        (attentive, (16, 8), 2, 4, "unknown"),
        (table, (10,), 3, 2, "unknown"),
    ],
)
def test_a_whole_network_answers_as_before(
    lab: Path, tmp_path: Path, make: Callable[[], keras.Model], input_shape: tuple, outputs: int, blocks: int,
    preprocessing: str,
):  # fmt: skip
    model = drawn(make())
    model.compile(loss="mse")  # how it was trained travels in the file too, and is left there
    model.save(tmp_path / "mine.keras")
    card = take_in(tmp_path / "mine.keras")
    assert isinstance(card, foreign.ForeignNetwork) and foreign.networks() == [card]
    assert (card.label, card.title, card.format) == ("mine.keras", "mine.keras", ".keras")
    assert (card.input_shape, card.outputs, len(card.body), card.preprocessing) == (
        input_shape, outputs, blocks, preprocessing,
    )  # fmt: skip
    assert sorted(path.name for path in card.folder.iterdir()) == ["card.json", "model.json", "weights.npz"]

    body = foreign_network.body(card)
    own = tensors(body)
    with np.load(card.folder / "weights.npz", allow_pickle=False) as kept:
        assert [*kept] == [tensor.path for tensor, _ in own] == [path for path, _ in card.tensors]
        for tensor, variable in own:
            variable.assign(kept[tensor.path])
    settle(body)
    x = np.random.default_rng(1).uniform(0, 255, (4, *input_shape)).astype(np.float32)
    features: Any = x
    for block, told in zip(body, card.body, strict=True):
        assert tuple(features.shape[1:]) == told.input_shape
        assert [tuple(v.shape) for t, v in own if t.block == block.name] == [*told.weights]
        features = block(features, training=False)
        assert tuple(features.shape[1:]) == told.output_shape
    head = next(layer for layer in reversed(model.layers) if isinstance(layer, LAYERS.Dense))
    answers = np.asarray(head(features))
    if isinstance(model.layers[-1], LAYERS.Softmax):
        answers = np.asarray(LAYERS.Softmax()(answers))
    expected = np.asarray(model(x, training=False))
    assert expected.std() > 1e-3 and np.abs(answers - expected).max() < 1e-5
    whole = card.whole(input_shape, 4)
    assert len(whole) == blocks + 1 and whole[-1].output_shape == (4,) and whole[-1].name == "head"
    with pytest.raises(ValueError, match="expected"):
        card.blocks((1, 2, 3))


def test_a_network_without_a_head_gets_a_vector_at_its_end(lab: Path, tmp_path: Path):
    x = inputs = keras.Input((None, None, 3))
    for filters in (4, 6):
        x = LAYERS.Conv2D(filters, 3, strides=4)(x)
    keras.Model(inputs, x).save(tmp_path / "any_size.keras")
    card = take_in(tmp_path / "any_size.keras")
    assert (card.input_shape, card.outputs, card.body[-1].output_shape) == ((224, 224, 3), 0, (6,))
    assert any("224" in note for note in card.notes)
    assert foreign_network.body(card)[-1].output.shape == (None, 6)


def by_name(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights by path as Keras names them."""
    return {variable.path: np.asarray(variable) for variable in model.weights if variable.dtype.startswith("float")}


def kept(card: foreign.Foreign) -> dict[str, np.ndarray]:
    with np.load(card.folder / "weights.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("ending", ["mine.weights.h5", "mine.h5", "mine.npz", "mine.safetensors"])
def test_weights_come_through_exactly(lab: Path, tmp_path: Path, ending: str):
    model, path = drawn(attentive()), tmp_path / ending
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.ones((2, 16, 8)), np.ones((2, 2)), verbose=0)  # an .h5 keeps the optimizer's moments too
    expected = by_name(model)
    if ending == "mine.weights.h5":
        model.save_weights(path)
    elif ending == "mine.h5":
        model.save(path)
    elif ending == "mine.npz":
        np.savez_compressed(path, step=np.int64(3), **expected)
    else:
        save_file(expected, path)
    card = take_in(path)
    own = kept(card)
    assert isinstance(card, foreign.ForeignWeights) and card.parameters == sum(a.size for a in expected.values())
    assert [*own] == [path for path, _ in card.tensors] and {*own} == {*expected}
    for name, array in expected.items():
        assert own[name].dtype == np.float32 and np.array_equal(own[name], array)
    if ending == "mine.h5":
        assert any("whole network" in note for note in card.notes) and any("optimizer" in note for note in card.notes)
    elif ending == "mine.npz":
        assert any("step" in note for note in card.notes)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_keras_3_weights_keep_the_networks_order(lab: Path, tmp_path: Path, name: str):
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3))
    model.save_weights(tmp_path / "a.weights.h5")
    card = take_in(tmp_path / "a.weights.h5")
    assert [path for path, _ in card.tensors] == [variable.path for variable in model.weights]
    other = keras.applications.MobileNet(weights=None, input_shape=(64, 64, 3))
    bodies = [
        (own.name, [tuple(v.shape) for v in own.weights[:-2]]) for own in (other, model, attentive())
    ]  # fmt: skip
    found = foreign.recognised(card, bodies)
    assert found and found == (model.name, 1.0)
    assert foreign.recognised(card, [("nothing", [(3, 1, 4)])]) is None


def test_files_of_keras_2_are_read_by_their_own_names(lab: Path, tmp_path: Path):
    kernel, bias = np.arange(12, dtype="f4").reshape(3, 4), np.zeros(4, "f8")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"second", b"first", b"flatten"]
        for layer, names in {"second": ["second_W_1:0", "second_b_1:0"], "first": ["first/kernel:0"]}.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, values in zip(names, (kernel, bias), strict=False):
                group[name] = values
        file.create_group("flatten").attrs["weight_names"] = np.array([], "S1")
    card = take_in(tmp_path / "old.h5")
    assert card.tensors == (("second/kernel", (3, 4)), ("second/bias", (4,)), ("first/kernel", (3, 4)))
    assert np.array_equal(kept(card)["first/kernel"], kernel)


def test_half_precision_and_dots_in_names(lab: Path, tmp_path: Path):
    header = {
        "conv.weight": {"dtype": "BF16", "shape": [2], "data_offsets": [2, 6]},
        "conv.bias": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]},
    }
    text = json.dumps(header).encode()
    data = np.float16(0.5).tobytes() + (np.array([1.5, -2], "f4").view("u4") >> 16).astype("u2").tobytes()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    own = kept(take_in(tmp_path / "a.safetensors"))
    assert {name: array.tolist() for name, array in own.items()} == {"conv/bias": [0.5], "conv/weight": [1.5, -2.0]}


def test_the_same_file_twice_is_one_and_names_are_labels_only(lab: Path, tmp_path: Path):
    for name in ("<b>..%2f.npz", "b.npz"):
        np.savez(tmp_path / name, **{"../../etc/passwd": np.ones(3, "f4"), "a b/kernel": np.ones(2, "f4")})
    first, again = (
        engine.take_in(tmp_path / name, lambda *_: None, lambda: None) for name in ("<b>..%2f.npz", "b.npz")
    )
    card = foreign.get(first)
    assert first == again and [own.id for own in foreign.kept()] == [first] and foreign.networks() == []
    assert card.label == "<b>..%2f.npz" and [path for path, _ in card.tensors] == ["etc/passwd", "a_b/kernel"]
    assert [path.name for path in (lab / "sources").iterdir()] == [first]
    foreign.delete(first)
    assert not foreign.kept() and not card.folder.exists()
    for wrong in (first, "file-../../x", "../sources"):
        with pytest.raises(UnknownName):
            foreign.get(wrong)


def test_a_person_can_stop_it(lab: Path, tmp_path: Path):
    np.savez(tmp_path / "a.npz", a=np.ones(10, "f4"))

    class Stop(Exception):
        pass

    stages: list[str] = []

    def stop() -> None:
        if "converting" in stages:
            raise Stop

    with pytest.raises(Stop):
        engine.take_in(tmp_path / "a.npz", lambda stage, done, of: stages.append(stage), stop)
    assert [*(lab / "sources").iterdir()] == [] and stages[0] == "reading"


# --- files that mean no good ------------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("touch /tmp/never",)


def h5(**arrays: Any) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        for name, own in arrays.items():
            file[name] = own
    return held.getvalue()


def zipped(**files: bytes | str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return held.getvalue()


def layer(kind: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def sequential(*layers: dict[str, Any], width: int = 4) -> str:
    inputs = layer("InputLayer", batch_shape=[None, width], dtype="float32", name="in")
    return json.dumps(layer("Sequential", "keras", name="x", layers=[inputs, *layers]))


def network(*layers: dict[str, Any], **other: Any) -> bytes:
    return zipped(config__json=sequential(*layers), **{"metadata__json": "{}", "model.weights__h5": h5(), **other})


def safetensors(shape: list[int], end: int, length: int | None = None) -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode()
    return struct.pack("<Q", length or len(text)) + text + bytes(64)


def claiming(**options: Any) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.create_dataset("layers/dense/vars/0", **options)
    return held.getvalue()


def outside() -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.create_dataset("layers/dense/vars/0", (10,), "f4", external=[("/etc/passwd", 0, 40)])
    return held.getvalue()


def virtual() -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        layout = h5py.VirtualLayout((10,), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
        file.create_virtual_dataset("layers/dense/vars/0", layout)
    return held.getvalue()


def headed(shape: tuple[int, ...]) -> bytes:
    held = io.BytesIO()
    np.lib.format.write_array_header_1_0(held, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return held.getvalue() + bytes(100)


def objects() -> bytes:
    held = io.BytesIO()
    np.savez(held, a=np.array([Evil()], dtype=object))
    return held.getvalue()


def deep(depth: int) -> dict[str, Any]:
    inner = layer("Dense", units=3)
    for number in range(depth):
        inner = layer("Sequential", "keras", name=f"s{number}", layers=[inner])
    return inner


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "sixteen_gigabytes.keras": (
        lambda: network(*(layer("Dense", units=45_000, name=f"d{n}", activation="relu") for n in range(3))),
        "4,050",
    ),
    "units.keras": (lambda: network(layer("Dense", units=1_000_000_000)), "units = 1,000,000,000"),
    "activations.keras": (lambda: network(layer("RepeatVector", n=9_000_000), layer("Dense", units=100)), "numbers"),
    "lambda.keras": (lambda: network(layer("Lambda", function={"class_name": "__lambda__", "config": {}})), "Lambda"),
    "tfsm.keras": (lambda: network(layer("TFSMLayer", filepath="/tmp/x")), "TFSMLayer"),
    "torch.keras": (lambda: network(layer("TorchModuleWrapper", module="x")), "TorchModuleWrapper"),
    "lookup.keras": (lambda: network(layer("StringLookup", vocabulary="/etc/passwd")), "StringLookup"),
    "os.keras": (lambda: network(layer("system", "os", command="touch /tmp/never")), "system"),
    "registered.keras": (lambda: network(layer("Dense", units=3) | {"registered_name": "mine>Dense"}), "mine>Dense"),
    "hidden.keras": (
        lambda: network(layer("Dense", units=3, kernel_initializer=layer("Popen", "subprocess", args="ls"))), "Popen",
    ),
    "function.keras": (
        lambda: network(layer("Dense", units=3, activation={"class_name": "function", "config": "system"})), "function",
    ),
    "address.keras": (lambda: network(layer("Dense", units=3, name="https://example.org/x")), "address"),
    "deep.keras": (lambda: network(deep(50)), "deep"),
    "endless.keras": (lambda: zipped(config__json="[" * 100_000, **{"model.weights__h5": h5()}), "config.json"),
    "many.keras": (lambda: network(*(layer("Dense", units=3) for _ in range(2_000))), "1,500 layers"),
    "assets.keras": (lambda: network(layer("Dense", units=3), **{"assets/vocabulary__txt": "x"}), "assets"),
    "none.keras": (lambda: network(layer("Dense", units=3, name="d"), layer("Dense", units=2, name="e")), "nothing"),
    "bomb.keras": (lambda: network(layer("Dense", units=3), metadata__json=bytes(300_000_000)), "bomb"),
    "bomb.npz": (lambda: zipped(a__npy=bytes(300_000_000)), "bomb"),
    "pickle.h5": (lambda: pickle.dumps(Evil()), "pickle"),
    "torch.pt": (lambda: zipped(**{"x/data__pkl": pickle.dumps(Evil())}), "pickle"),
    "objects.npz": (objects, "Python objects"),
    "claims.npz": (lambda: zipped(a__npy=headed((10**12,))), "not as long"),
    "terabytes.safetensors": (lambda: safetensors([10**12], 4 * 10**12), "parameters"),
    "overlong.safetensors": (lambda: safetensors([16], 64, 10**12), "header"),
    "overlap.safetensors": (lambda: safetensors([16], 60), "safetensors cannot read"),
    "external.h5": (lambda: h5(a=h5py.ExternalLink("/etc/passwd", "/x")), "link"),
    "soft.h5": (lambda: h5(a=h5py.SoftLink("/nowhere")), "link"),
    "outside.h5": (outside, "other files"),
    "virtual.h5": (virtual, "other files"),
    "billion.h5": (lambda: claiming(shape=(10**9,), dtype="f4", chunks=(1000,), compression="gzip"), "parameters"),
    "swollen.h5": (
        lambda: claiming(data=np.zeros(30_000_000, "f4"), chunks=(10**6,), compression="gzip"), "weights in a",
    ),
    "chunk.h5": (
        lambda: claiming(shape=(10**6,), maxshape=(None,), dtype="f4", chunks=(10**8,), compression="gzip"), "pieces",
    ),
    "empty.h5": (lambda: claiming(shape=(10**6,), dtype="f4", chunks=(1000,)), "holds none"),
    "text.h5": (lambda: b"GIF89a" * 10, "begins with"),
    "cut.h5": (lambda: claiming(data=np.ones(9_000, "f4"))[:5_000], "read"),
    "nan.npz": (lambda: zipped(a__npy=headed((25,))[:-100] + b"\xff" * 100), "no numbers"),
}  # fmt: skip

SCRIPT = """
import json, pathlib, resource, sys, time
from tlcore.engine.foreign import Unwanted, take_in
for path in sys.argv[1:]:
    began, reason = time.monotonic(), ""
    try:
        take_in(pathlib.Path(path), lambda *_: None, lambda: None)
    except Unwanted as error:
        reason = str(error)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([reason, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]), flush=True)
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float, float, int]]:
    """What came of each hostile file: reason, seconds, processor seconds, and the most memory up to it."""
    folder, home = tmp_path_factory.mktemp("hostile"), tmp_path_factory.mktemp("home")
    for name, (make, _) in HOSTILE.items():
        (folder / name).write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *(str(folder / name) for name in HOSTILE)],
        cwd=ROOT, env={**os.environ, "TLCORE_HOME": str(home)}, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    before = 0.0
    for own in told:
        own[2], before = own[2] - before, own[2]
    assert not [*(home / "sources").iterdir()], "nothing of a refused file stays"
    return dict(zip(HOSTILE, map(tuple, told), strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of memory there")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_reason(name: str, verdicts: dict[str, tuple[str, float, float, int]]):
    reason, _, processor, kilobytes = verdicts[name]
    assert HOSTILE[name][1] in reason and reason.startswith(f"{name} was not taken")
    assert processor < 10 and kilobytes < 1_000_000
    assert not Path("/tmp/never").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of memory there")
@pytest.mark.parametrize("wish", ["numpy.ones(400_000_000)", "list(range(100_000_000))", "exec('while True: pass')"])
def test_the_process_that_looks_has_limits(wish: str):
    code = (
        "from tlcore.engine import inspect_weights as own\nown.SECONDS = 2\nown.limit()\n"
        f"import numpy\nnumber = {wish}\nprint('had it')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0 and "had it" not in done.stdout


def test_a_process_that_takes_too_long_is_ended(lab: Path, tmp_path: Path):
    np.savez(tmp_path / "a.npz", a=np.ones(10, "f4"))
    with pytest.raises(engine.Unwanted, match="more than 0 s"):
        engine.take_in(tmp_path / "a.npz", lambda *_: None, lambda: None, patience=0.0)
    assert [*(lab / "sources").iterdir()] == []


def test_the_check_of_a_configuration_knows_no_way_around():
    network_config.checked(sequential(layer("Dense", units=3)))
    for evil in (
        layer("Dense", units=3, kernel_initializer=layer("Lambda")),
        layer("TimeDistributed", layer=layer("Lambda", function="x")),
        layer("Dense", units=3, activity_regularizer={"class_name": "function", "config": "os>system"}),
        layer("Dense", units=3, dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}),
        layer("Dense", units=3, kernel_initializer={"class_name": "__lambda__", "config": {"value": "4wEA"}}),
        layer("Dense", units=3, kernel_initializer={"class_name": "__typespec__", "config": []}),
        layer("Dense", units=float("nan")),
        layer("Dense", "keras.src.ops.numpy", units=3),
        {"class_name": ["Dense"], "config": {}},
        "Dense",
    ):
        with pytest.raises(Refused):
            network_config.checked(sequential(evil))  # type: ignore[arg-type]
