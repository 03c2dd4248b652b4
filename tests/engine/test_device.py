"""Devices and precision, as far as a computer without a GPU can prove them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest

from tlcore import devices
from tlcore.engine import batches, device
from tlcore.engine.network import Network
from tlcore.networks import NETWORKS
from tlcore.pretrained import ARCHITECTURES

TOGETHER = """
import sys
import numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tlcore import RunSpec, runs
from tlcore.datasets import DATASETS
from tlcore.engine import batches, device, training
from tlcore.engine.network import Network
from tlcore.engine.teller import Teller
from tlcore.networks import NETWORKS
from tlcore.strategies import STRATEGIES

digits = DATASETS["digits"].load()
y = np.eye(10, dtype=np.float32)[digits.y]
parts = training.Examples(digits.x[:128], y[:128]), training.Examples(digits.x[128:160], y[128:160])
spec = RunSpec(network="dense_64_32", strategy="lp_ft", epochs=4, batch_size=32, learning_rate=0.003)

def weights(scope):
    with device.computing(scope):
        keras.utils.set_random_seed(0)
        network = Network(NETWORKS["dense_64_32"].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))
        before = [np.asarray(v) for v in network.whole().trainable_variables]
        plan = STRATEGIES["lp_ft"].plan(spec, network.names)
        assert training.carry_out(network, plan, "transfer", spec, *parts, Teller(runs.create(spec)))
        return before, [np.asarray(v) for block in network.blocks for v in block.weights]

two = device.together(["CPU:0", "CPU:1"])
(before, one), (_, both) = weights(lambda: keras.device("cpu:0")), weights(two)
print("moved", max(float(np.abs(a - b).max()) for a, b in zip(before, one)))
print("apart", max(float(np.abs(a - b).max()) for a, b in zip(one, both)))
with device.computing(two):
    made = device.in_new_thread(lambda: keras.layers.Dense(2))
    device.in_new_thread(lambda: made.build((None, 3)))
    print("copies", len(made.kernel.value.values))
    print("sizes", *(batches.even_batch_size(n, most) for n, most in ((99, 33), (100, 25), (5, 2), (64, 32))))
"""


def test_two_devices_together_give_the_weights_of_one(lab: Path):
    told = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr[-2000:]
    figures = dict(line.split() for line in told.stdout.splitlines() if line.split()[:1] in (["moved"], ["apart"]))
    assert float(figures["moved"]) > 0.01 and float(figures["apart"]) < 1e-5
    assert "copies 2" in told.stdout  # what is built in a thread belongs to the same devices
    assert "sizes 34 26 6 32" in told.stdout  # equal shares for both; 5 by 2 would leave 1 for two devices


def test_without_a_gpu_the_cpu_is_taken_and_a_gpu_is_asked_for_in_vain():
    if device.gpus():
        pytest.skip("there is a GPU")
    name, scope = device.chosen("auto", NETWORKS["resnet_20"].whole((32, 32, 3), 10))
    assert name == "CPU" == device.chosen("cpu")[0]
    with scope:
        assert device.current_precision() == "float32"
    for wanted in ("gpu", "gpus"):
        with pytest.raises(RuntimeError, match="choose the device 'auto' or 'cpu'"):
            device.chosen(wanted)


def test_fewer_bits_are_for_large_bodies_and_gpus_that_have_units_for_them():
    large = ARCHITECTURES["mobilenet_v2"].whole((96, 96, 3), 2)
    small = ARCHITECTURES["mobilenet_0.25"].whole((96, 96, 3), 2)
    dense = NETWORKS["dense_128"].whole((224, 224, 3), 2)  # 19 million parameters, and no convolution
    assert [device.precision(own, large) for own in ((0, 0), (6, 1), (7, 5), (8, 0), (9, 0))] == [
        "float32", "float32", "mixed_float16", "mixed_bfloat16", "mixed_bfloat16",
    ]  # fmt: skip
    assert device.precision((9, 0), small) == device.precision((9, 0), dense) == "float32"


@pytest.mark.parametrize("bits", ["mixed_bfloat16", "mixed_float16"])
def test_a_narrowed_network_learns_in_fewer_bits_and_is_itself_afterwards(bits: str):
    keras.utils.set_random_seed(0)
    network = Network(NETWORKS["small_cnn"].whole((8, 8, 1), 10), keras.layers.Rescaling(1 / 16), (8, 8, 1))
    random = np.random.default_rng(0)
    x, y = random.integers(0, 17, (64, 8, 8, 1)).astype(np.uint8), np.eye(10, dtype=np.float32)[np.arange(64) % 10]
    exact = network.whole().predict(x, verbose=0)
    with device.computing(nullcontext, bits):
        with device.narrowed(network):
            model = network.whole()
            assert model(x).dtype == "float32"  # the softmax
            features = network.front(2)
            assert features(x).dtype == bits.removeprefix("mixed_")
            kept = batches.through(features, x)
            assert kept.dtype == np.float32  # no kind of number that files do not know
            rough = model.predict(x, verbose=0)
            assert 0 < np.abs(rough - exact).max() < 0.05
            optimizer = device.guarded(keras.optimizers.Adam(0.01))
            assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (bits == "mixed_float16")
            model.compile(optimizer=optimizer, loss="categorical_crossentropy")
            losses = model.fit(x, y, epochs=12, verbose=0).history["loss"]
            assert losses[-1] < 0.7 * losses[0]
        assert all(layer.dtype_policy.name == "float32" for block in network.blocks for layer in block.layers)
    assert device.current_precision() == "float32"
    assert {own.dtype for block in network.blocks for own in block.weights} <= {"float32", "uint32"}
    with device.narrowed(network):  # nobody chose fewer bits here
        assert network.front(2)(x).dtype == "float32"


def test_pictures_reach_the_model_as_bytes():
    """What casts them is a part of the model: four times less goes to a GPU."""
    seen = []

    class Seeing(keras.Model):
        def call(self, x, training=False):
            seen.append(keras.backend.standardize_dtype(x.dtype))
            return self.inner(x, training=training)

    model = Seeing()
    inputs = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model.inner = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(flat))
    model.compile(optimizer="sgd", loss="categorical_crossentropy")
    x, y = np.zeros((8, 8, 8, 1), np.uint8), np.eye(2, dtype=np.float32)[[0, 1] * 4]
    model.fit(x, y, verbose=0)
    model.fit(batches.endless(x, y, 4, 0, 0), steps_per_epoch=2, validation_data=batches.in_order(x, y, 4), verbose=0)
    model.predict(x, verbose=0)
    assert len(seen) >= 3 and {*seen} == {"uint8"}


@pytest.fixture
def four_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A computer on which nvidia-smi tells of four GPUs."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'Card A\\nCard A\\nCard A\\nCard B\\n'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices.gpus.cache_clear()
    yield
    devices.gpus.cache_clear()


def test_engines_see_the_gpus_that_they_may_use(four_gpus, monkeypatch: pytest.MonkeyPatch):
    def seen(number: int | None, **more: bool) -> str:
        return devices.environment(number, **more)["CUDA_VISIBLE_DEVICES"]

    assert devices.slots() == 4
    assert [seen(number) for number in range(4)] == ["0", "1", "2", "3"]
    assert seen(2, others=True) == "2,0,1,3" and seen(None) == "-1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")  # as a person set it
    assert devices.slots() == 2 and seen(1, others=True) == "1,3"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert devices.slots() == 1 and devices.environment(0) == {}
