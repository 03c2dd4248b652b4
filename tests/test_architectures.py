"""All networks by name, and what they can be shown."""

from __future__ import annotations

import pytest

from tlcore import foreign
from tlcore.architectures import comfortable_size, fitting, input_shape, network, related, takes, usual
from tlcore.catalogue import UnknownName
from tlcore.foreign import ForeignNetwork
from tlcore.networks import NETWORKS
from tlcore.pretrained import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("lab")


def brought(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> str:
    own = ForeignNetwork("file-00000001", "a.keras", "Keras", "A", 0.0, 0, (), (), shape, 0, (), ())
    monkeypatch.setattr(foreign, "networks", lambda: [own])
    return own.id


def test_every_name_is_one_network():
    assert not NETWORKS.keys() & ARCHITECTURES.keys()
    for name in (*NETWORKS, *ARCHITECTURES):
        assert network(name).title
    with pytest.raises(UnknownName, match="mobilenet_v2"):
        network("mobilenet_v9")


@pytest.mark.parametrize("shape", [(13,), (8, 8, 1), (96, 96, 3)])
def test_what_fits_can_be_drawn(shape: tuple[int, ...]):
    assert usual(shape) in fitting(shape)
    for name in fitting(shape):
        own, seen = network(name), input_shape(name, shape, comfortable_size(name, shape))
        assert own.whole(seen, 3)[-1].output_shape == (3,)


def test_tables_go_to_dense_networks_alone():
    assert fitting((13,)) == [name for name, own in NETWORKS.items() if not own.convolutional]


def test_small_pictures_are_shown_enlarged_to_imagenets_networks():
    assert comfortable_size("mobilenet_v2", (32, 32, 3)) == 96
    assert comfortable_size("mobilenet_v2", (96, 96, 1)) is None
    assert comfortable_size("small_cnn", (32, 32, 3)) is None
    assert input_shape("mobilenet_v2", (96, 96, 1), None) == (96, 96, 3)


@pytest.mark.parametrize(
    ("own", "dataset", "can"),
    [
        ((32, 32, 3), (96, 96, 3), True),
        ((32, 32, 3), (96, 96, 1), True),
        ((32, 32, 1), (96, 96, 3), True),
        ((32, 32, 4), (96, 96, 1), True),
        ((32, 32, 4), (96, 96, 3), False),  # three colours make no four
        ((32, 32, 2), (96, 96, 3), False),
        ((32, 32, 3), (13,), False),
        ((13,), (13,), True),
        ((13,), (12,), False),
    ],
)
def test_what_a_network_that_was_brought_can_be_shown(own, dataset, can, monkeypatch: pytest.MonkeyPatch):
    name = brought(monkeypatch, own)
    assert takes(name, dataset) == can and input_shape(name, dataset, None) == own


def test_related_networks():
    assert related("dense_64", "dense_128") and related("resnet_20", "resnet_20")
    assert not related("dense_64", "small_cnn") and not related("mobilenet_v2", "dense_64")
