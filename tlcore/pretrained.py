"""Networks trained on ImageNet, as cards: what each is good for, where its weights are, and where it can be cut.

They are those of ``keras.applications``, without their top. Preprocessing is ours for all of them: a layer for it that
Keras would put inside (MobileNetV3, EfficientNetV2, ConvNeXt) is switched off, and the same arithmetic stands in front.
What a card cannot say in a line, the shapes of the weights, is in ``pretrained_layouts.json.gz``, which
``python -m tlcore.engine.pretrained`` writes from Keras' own networks.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from .catalogue import Catalogue
from .home import keras_home
from .networks import Block, Network, Shape

LAYOUTS = Path(__file__).with_name("pretrained_layouts.json.gz")

Step = tuple[int, int, int]
"""What shrinks a picture's side: kernel, stride, and padding (of both ends together)."""


@dataclass(frozen=True)
class Stage:
    """A block, by the paper's name, up to the Keras layer behind which the network passes through one tensor."""

    name: str
    end: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Architecture:
    """A network's card. ``parameters`` are the body's; ``download`` is about how many bytes its weights are."""

    name: str
    title: str
    summary: str
    reference: str
    application: str  # in keras.applications
    preprocessing: str  # "tf", "torch" or "caffe", as Keras names them
    parameters: int
    file: str
    url: str
    download: int
    top1: float  # share of ImageNet's validation pictures, as published
    top1_source: str
    layout: tuple[Stage, ...]
    md5: str | None = None
    sha256: str | None = None
    size: int = 224  # pixels a side at which it was trained or is usually used
    least: int = 32  # the smallest side that it takes
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def blocks(self, input_shape: Shape) -> tuple[Block, ...]:
        """The body's blocks, input first, for pictures of ``input_shape``. Raises ValueError for what it cannot take.

        Global average pooling is part of the last one, whose output is a vector.
        """
        if len(input_shape) != 3 or input_shape[2] != 3 or min(input_shape[:2]) < self.least:
            raise ValueError(
                f"{self.title} was given inputs of {input_shape}: expected (height, width, 3) with at least "
                f"{self.least} pixels a side; make the pictures larger, and repeat a single colour three times."
            )
        blocks: list[Block] = []
        for stage in self.layout:
            known = layouts()[self.name][stage.name]
            height, width = (_side(side, stage.steps) for side in input_shape[:2])
            output = (height, width, known["channels"]) if stage is not self.layout[-1] else (known["channels"],)
            weights = tuple(tuple(shape) for shape in known["weights"].values())
            layer = ("pretrained", self.name, stage.name)
            names = tuple(path.rpartition("/")[2] for path in known["weights"])
            blocks.append(Block(stage.name, (layer,), input_shape, output, weights, sum(map(prod, weights)), names))
            input_shape = output
        return tuple(blocks)

    def head(self, body_output: Shape, classes: int) -> Block:
        """The new last layer: one output a class, behind dropout."""
        return _HEAD.head(body_output, classes)

    def whole(self, input_shape: Shape, classes: int) -> tuple[Block, ...]:
        """Body and head, input first."""
        body = self.blocks(input_shape)
        return (*body, self.head(body[-1].output_shape, classes))

    def tensors(self) -> dict[str, Shape]:
        """The shape of every weight by its path, ``block/layer/variable``, in Keras' order."""
        return {
            f"{block}/{path}": tuple(shape)
            for block, known in layouts()[self.name].items()
            for path, shape in known["weights"].items()
        }


_HEAD = Network("pretrained", "", "", (), head_dropout=0.2)


def _side(side: int, steps: tuple[Step, ...]) -> int:
    for kernel, stride, padding in steps:
        side = (side + padding - kernel) // stride + 1
    return side


@lru_cache(maxsize=1)
def layouts() -> dict[str, dict[str, dict[str, Any]]]:
    """By network and block: ``channels`` of what comes out, ``weights`` as ``{path: shape}`` in Keras' order."""
    with gzip.open(LAYOUTS, "rt", encoding="utf-8") as file:
        found: dict[str, dict[str, dict[str, Any]]] = json.load(file)
    return found


def weights_file(architecture: Architecture) -> Path | None:
    """The downloaded weights, where Keras itself would look for them; None when they are not there."""
    path = keras_home() / "models" / architecture.file
    return path if path.is_file() else None


def where_to_put(architecture: Architecture) -> str:
    """What a person without a network can do."""
    return (
        f"Download {architecture.url} on another computer and put it here as "
        f"{keras_home() / 'models' / architecture.file}."
    )


# Halves a side and rounds up: a stride of 2 with "same" padding, whatever odd kernel does it.
_HALF = (3, 2, 2)


def _stages(*rows: tuple[Any, ...]) -> tuple[Stage, ...]:
    """Stages from rows of name, last Keras layer, and the steps of what shrinks pictures."""
    return tuple(Stage(name, end, tuple(steps)) for name, end, *steps in rows)


_MOBILENET = _stages(
    ("conv1", "conv1_relu", _HALF),
    ("stage1", "conv_pw_1_relu"),
    ("stage2", "conv_pw_3_relu", (3, 2, 1)),
    ("stage3", "conv_pw_5_relu", (3, 2, 1)),
    ("stage4", "conv_pw_11_relu", (3, 2, 1)),
    ("stage5", "global_average_pooling2d", (3, 2, 1)),
)
_MOBILENET_V2 = _stages(
    ("conv1", "Conv1_relu", _HALF),
    ("bottleneck1", "expanded_conv_project_BN"),
    ("bottleneck2", "block_2_add", _HALF),
    ("bottleneck3", "block_5_add", _HALF),
    ("bottleneck4", "block_9_add", _HALF),
    ("bottleneck5", "block_12_add"),
    ("bottleneck6", "block_15_add", _HALF),
    ("bottleneck7", "block_16_project_BN"),
    ("conv_last", "global_average_pooling2d"),
)
_MOBILENET_V3_SMALL = _stages(
    ("conv", "activation", _HALF),
    ("stage1", "expanded_conv_project_bn", _HALF),
    ("stage2", "expanded_conv_2_add", _HALF),
    ("stage3", "expanded_conv_7_add", _HALF),
    ("stage4", "expanded_conv_10_add", _HALF),
    ("conv_last", "avg_pool"),
)
_MOBILENET_V3_LARGE = _stages(
    ("conv", "activation", _HALF),
    ("stage1", "expanded_conv_add"),
    ("stage2", "expanded_conv_2_add", _HALF),
    ("stage3", "expanded_conv_5_add", _HALF),
    ("stage4", "expanded_conv_11_add", _HALF),
    ("stage5", "expanded_conv_14_add", _HALF),
    ("conv_last", "avg_pool"),
)


def _efficientnet_v2(*ends: str) -> tuple[Stage, ...]:
    steps = ((), (_HALF,), (_HALF,), (_HALF,), (), (_HALF,))
    stages = (Stage(f"stage{n}", end, own) for n, (end, own) in enumerate(zip(ends, steps, strict=True), 1))
    return (Stage("stem", "stem_activation", (_HALF,)), *stages, Stage("conv_last", "avg_pool"))


_RESNET = _stages(
    ("conv1", "conv1_relu", (7, 2, 6)),
    ("conv2_x", "conv2_block3_out", _HALF),
    ("conv3_x", "conv3_block4_out", _HALF),
    ("conv4_x", "conv4_block6_out", _HALF),
    ("conv5_x", "avg_pool", _HALF),
)
_RESNET_V2 = _stages(  # Keras puts the stride into the last unit of a stage
    ("conv1", "conv1_conv", (7, 2, 6)),
    ("conv2_x", "conv2_block3_out", _HALF, _HALF),
    ("conv3_x", "conv3_block4_out", _HALF),
    ("conv4_x", "conv4_block6_out", _HALF),
    ("conv5_x", "avg_pool"),
)
_DENSENET = _stages(  # a dense block and the transition behind it; the last one has none
    ("conv1", "conv1_relu", (7, 2, 6)),
    ("dense1", "pool2_pool", _HALF, (2, 2, 0)),
    ("dense2", "pool3_pool", (2, 2, 0)),
    ("dense3", "pool4_pool", (2, 2, 0)),
    ("dense4", "avg_pool"),
)
_INCEPTION = _stages(
    ("stem", "max_pooling2d_1", (3, 2, 0), (3, 1, 0), (3, 2, 0), (3, 1, 0), (3, 2, 0)),
    ("mixed_35x35", "mixed2"),
    ("mixed_17x17", "mixed7", (3, 2, 0)),
    ("mixed_8x8", "global_average_pooling2d", (3, 2, 0)),
)
_XCEPTION = _stages(
    ("stem", "block1_conv2_act", (3, 2, 0), (3, 1, 0)),
    ("entry_flow", "add_2", _HALF, _HALF, _HALF),
    ("middle_flow", "add_10"),
    ("exit_flow", "global_average_pooling2d", _HALF),
)
_CONVNEXT = _stages(
    ("stem", "convnext_tiny_stem", (4, 4, 0)),
    ("stage1", "add_2"),
    ("stage2", "add_5", (2, 2, 0)),
    ("stage3", "add_14", (2, 2, 0)),
    ("stage4", "layer_normalization", (2, 2, 0)),
)
_NASNET = _stages(  # a cell takes the outputs of two cells before it, so there is nowhere to cut among them
    ("stem", "stem_bn1", (3, 2, 0)),
    ("cells", "global_average_pooling2d", _HALF, _HALF, _HALF, _HALF),
)

_STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
_KERAS = "keras.io/api/applications"
_OUTSIDE = {"include_preprocessing": False}


def _card(
    name: str, title: str, summary: str, reference: str, application: str, preprocessing: str, folder: str, file: str,
    **facts: Any,
) -> Architecture:  # fmt: skip
    """A card whose weights lie in a folder of Keras' store, under the name that they are kept by here."""
    facts = {"url": f"{_STORE}/{folder}/{file}", "top1_source": _KERAS, **facts}
    return Architecture(name, title, summary, reference, application, preprocessing, file=file, **facts)


def _mobilenet(alpha: float, text: str, summary: str, parameters: int, download: int, top1: float) -> Architecture:
    return _card(
        f"mobilenet_{alpha:g}", f"MobileNet {alpha:g}", summary, "Howard et al., 2017, arXiv:1704.04861", "MobileNet",
        "tf", "mobilenet", f"mobilenet_{text}_224_tf_no_top.h5", options={"alpha": alpha}, parameters=parameters,
        download=download, top1=top1, top1_source="table 6 of the paper", layout=_MOBILENET,
    )  # fmt: skip


def _efficientnet(
    number: int, summary: str, md5: str, parameters: int, download: int, top1: float, size: int, *ends: str
) -> Architecture:
    return _card(
        f"efficientnet_v2_b{number}", f"EfficientNetV2-B{number}", summary, "Tan and Le, 2021, arXiv:2104.00298",
        f"EfficientNetV2B{number}", "torch", "efficientnet_v2", f"efficientnetv2-b{number}_notop.h5", md5=md5,
        parameters=parameters, download=download, top1=top1, size=size, options=_OUTSIDE,
        layout=_efficientnet_v2(*ends),
    )  # fmt: skip


_CARDS = (
    _mobilenet(
        0.25, "2_5", "The smallest and fastest: a first look in a minute or so, on any computer.",
        218_544, 2_100_000, 0.506,
    ),
    _mobilenet(
        0.5, "5_0", "Small and fast: a good first choice for quick comparisons without a GPU.",
        829_536, 5_600_000, 0.637,
    ),
    _mobilenet(
        0.75, "7_5", "Light: three quarters of MobileNet's width, for little more than half of its work.",
        1_832_976, 10_600_000, 0.684,
    ),
    _mobilenet(
        1, "1_0", "Light and plain, a straight row of layers: easy to freeze at any depth.",
        3_228_864, 17_225_924, 0.706,
    ),
    _card(
        "mobilenet_v2", "MobileNetV2", "Small and well tried: a sound choice for photographs without a GPU.",
        "Sandler et al., 2018, arXiv:1801.04381", "MobileNetV2", "tf", "mobilenet_v2",
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        parameters=2_257_984, download=9_406_464, top1=0.713, layout=_MOBILENET_V2,
    ),
    _card(
        "mobilenet_v3_small", "MobileNetV3-Small", "Made for phones: very little work for its accuracy.",
        "Howard et al., 2019, arXiv:1905.02244", "MobileNetV3Small", "tf", "mobilenet_v3",
        "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", md5="d3e8ec802a04aa4fc771ee12a9a9b836",
        parameters=939_120, download=4_334_752, top1=0.681, options=_OUTSIDE, layout=_MOBILENET_V3_SMALL,
    ),
    _card(
        "mobilenet_v3_large", "MobileNetV3-Large", "Made for phones: accurate, and still quick without a GPU.",
        "Howard et al., 2019, arXiv:1905.02244", "MobileNetV3Large", "tf", "mobilenet_v3",
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", md5="07fb09a5933dd0c8eaafa16978110389",
        parameters=2_996_352, download=12_683_000, top1=0.756, options=_OUTSIDE, layout=_MOBILENET_V3_LARGE,
    ),
    _efficientnet(
        0, "Much accuracy for its size; a GPU helps, but it does without.", "893217f2bb855e2983157299931e43ff",
        5_919_312, 24_274_472, 0.787, 224,
        "block1a_project_activation", "block2b_add", "block3b_add", "block4c_add", "block5e_add", "block6h_add",
    ),
    _efficientnet(
        1, "A size up from B0, for slightly larger pictures.", "0e80663031ca32d657f9caa404b6ec37",
        6_931_124, 28_456_008, 0.798, 240,
        "block1b_add", "block2c_add", "block3c_add", "block4d_add", "block5f_add", "block6i_add",
    ),
    _efficientnet(
        2, "Two sizes up from B0; comfortable with a GPU.", "1dfe2e7a5d45b6632553a8961ea609eb",
        8_769_374, 35_839_040, 0.805, 260,
        "block1b_add", "block2c_add", "block3c_add", "block4d_add", "block5f_add", "block6j_add",
    ),
    _efficientnet(
        3, "The most accurate on ImageNet of those here; wants a GPU and larger pictures.",
        "f6abf7b5849ac99a89b50dd3fd532856", 12_930_622, 52_606_240, 0.820, 300,
        "block1b_add", "block2c_add", "block3c_add", "block4e_add", "block5g_add", "block6l_add",
    ),
    _card(
        "resnet50", "ResNet50", "The one that most papers on transfer learning compare with.",
        "He et al., 2015, arXiv:1512.03385", "ResNet50", "caffe", "resnet",
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="4d473c1dd8becc155b73f8504c6f6626",
        parameters=23_587_712, download=94_765_736, top1=0.749, layout=_RESNET,
    ),
    _card(
        "resnet50_v2", "ResNet50V2", "ResNet50 with normalisation before each convolution, which trains more steadily.",
        "He et al., 2016, arXiv:1603.05027", "ResNet50V2", "tf", "resnet",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="fac2f116257151a9d068a22e544a4917",
        parameters=23_564_800, download=94_668_760, top1=0.760, layout=_RESNET_V2,
    ),
    _card(
        "densenet121", "DenseNet121", "Few parameters for its depth; a favourite in medical imaging.",
        "Huang et al., 2016, arXiv:1608.06993", "DenseNet121", "torch", "densenet",
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="30ee3e1110167f948a6b9946edeeb738",
        parameters=7_037_504, download=29_084_464, top1=0.750, layout=_DENSENET,
    ),
    _card(
        "inception_v3", "InceptionV3", "Looks at several scales at once; at its best on pictures of about 300 pixels.",
        "Szegedy et al., 2015, arXiv:1512.00567", "InceptionV3", "tf", "inception_v3",
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="bcbd6486424b2319ff4ef7d526e38f63",
        parameters=21_802_784, download=87_910_968, top1=0.779, size=299, least=75, layout=_INCEPTION,
    ),
    _card(
        "xception", "Xception", "Separable convolutions throughout; at its best on pictures of about 300 pixels.",
        "Chollet, 2016, arXiv:1610.02357", "Xception", "tf", "xception",
        "xception_weights_tf_dim_ordering_tf_kernels_notop.h5", md5="b0042744bf5b25fce3cb969f33bebb97",
        parameters=20_861_480, download=83_683_744, top1=0.790, size=299, least=71, layout=_XCEPTION,
    ),
    _card(
        "convnext_tiny", "ConvNeXt-Tiny", "A convolutional network of 2022, among the most accurate here; wants a GPU.",
        "Liu et al., 2022, arXiv:2201.03545", "ConvNeXtTiny", "torch", "convnext", "convnext_tiny_notop.h5",
        sha256="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        parameters=27_820_128, download=111_650_432, top1=0.813, options=_OUTSIDE, layout=_CONVNEXT,
    ),
    _card(
        "nasnet_mobile", "NASNet-Mobile", "Drawn by a search, not by hand; its cells can only be frozen all together.",
        "Zoph et al., 2017, arXiv:1707.07012", "NASNetMobile", "tf", "nasnet", "nasnet_mobile_no_top.h5",
        url=f"{_STORE}/nasnet/NASNet-mobile-no-top.h5", md5="1ed92395b5b598bdda52abe5c0dbfd63",
        parameters=4_269_716, download=19_993_432, top1=0.744, layout=_NASNET,
    ),
)  # fmt: skip

ARCHITECTURES: Catalogue[Architecture] = Catalogue("network", ((card.name, card) for card in _CARDS))
