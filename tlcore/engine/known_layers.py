"""The classes and functions of Keras that a stranger's network may be made of: all compute from their weights alone."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _words(
    "Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D "
    "AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CenterCrop Concatenate Conv1D Conv1DTranspose "
    "Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D Cropping1D Cropping2D Cropping3D Dense "
    "DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout "
    "GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention Identity InputLayer LSTM LSTMCell "
    "LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention "
    "Multiply Normalization PReLU Permute RMSNormalization RNN RandomBrightness RandomContrast RandomFlip "
    "RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D "
    "SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D "
    "StackedRNNCells Subtract TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D "
    "ZeroPadding2D ZeroPadding3D"
)
OPERATIONS = {
    "numpy": _words(
        "Absolute Add Amax Clip Concatenate Divide Exp ExpandDims Flip GetItem Log Matmul Max Maximum Mean Min Minimum "
        "Moveaxis Multiply Negative Power Prod Ravel Reciprocal Reshape Sign Split Sqrt Square Squeeze Stack Subtract "
        "Sum Swapaxes Tanh Transpose TrueDivide"
    ),
    "nn": _words(
        "AveragePool Celu Elu Gelu HardSigmoid HardSilu LeakyRelu LogSigmoid LogSoftmax MaxPool Normalize Relu Relu6 "
        "Selu Sigmoid Silu Softmax Softplus Softsign"
    ),
    "math": _words("Erf Logsumexp Rsqrt"),
    "core": _words("Cast"),
}
"""What a functional network may compute between its layers (``x + y``), by Keras' module."""
PARTS = {
    "keras.initializers": _words(
        "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform "
        "Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros"
    ),
    "keras.regularizers": _words("L1 L1L2 L2 OrthogonalRegularizer"),
    "keras.constraints": _words("MaxNorm MinMaxNorm NonNeg UnitNorm"),
}
ACTIVATIONS = _words(
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold"
)
MODELS = {"Functional": "keras.src.models.functional", "Model": "keras.src.models.functional", "Sequential": "keras"}
WHOLE_NUMBERS = _words("bool int8 int16 int32 int64 uint8 uint16 uint32")
FLOATS = _words("float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16")
HUB_LAYERS = _words(
    "DINOV2DropPath DINOV2Embedding DINOV2Layer DeiTEmbeddings DeiTLayer ViTEncoderBlock ViTPatchingAndEmbedding"
)
"""Layers of KerasHub's own, taken from its presets only."""
COMPUTED = {"ViTPatchingAndEmbedding": ("num_patches", "num_positions"), "ViTEncoderBlock": ("key_dim",)}
"""Fields that KerasHub 0.32 writes into the configuration of a layer, and does not take when it builds the layer."""
ROWS = ("ViTEncoder", "DINOV2Encoder", "DeiTEncoder")
"""Layers of KerasHub that hold a whole row of layers: they are laid open, so that a network can be cut among these."""
