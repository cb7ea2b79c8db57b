"""Which ONNX operators the parser of a version imports.

From the tables of importers of onnx-tensorrt (8.2-GA, 8.6-GA, 10.x): what 8.2 has, and what came with each.
"""

IN_8_2 = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil
    Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace
    DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
    GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GRU
    HardSigmoid Identity If ImageScaler InstanceNormalization IsNaN LeakyRelu Less LessOrEqual Log
    LogSoftmax Loop LpNormalization LpPool LRN LSTM MatMul Max MaxPool Mean Min Mul Neg
    NonMaxSuppression Not Or Pad ParametricSoftplus Pow PRelu QuantizeLinear RandomUniform
    RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RNN
    Round ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size Slice
    Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK
    Transpose Unsqueeze Upsample Where
"""
LATER = {
    "8.6": "GridSample GroupNormalization HardSwish IsInf LayerNormalization MeanVarianceNormalization Mod"
    " NonZero OneHot RandomNormal RandomNormalLike RoiAlign Shrink Trilu Xor",
    "10.3": "Attention BlackmanWindow CastLike DeformConv Gelu HammingWindow HannWindow Hardmax Mish"
    " RMSNormalization RotaryEmbedding STFT TensorScatter",
}
ORDER = ("8.2", "8.6", "10.3", "10.16", "11.4")


def imported(version):
    """The names of the operators that the parser of `version` knows."""
    known = IN_8_2.split()
    for later in ORDER[: ORDER.index(version) + 1]:
        known += LATER.get(later, "").split()
    return set(known)
