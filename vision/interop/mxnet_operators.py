"""MXNet's operators as far as these networks use them: older names, and the values of attributes left out.

Values are strings in symbol.json and are strings here, so that both are parsed alike. Source: the parameter
structures of MXNet 1.9.1.
"""

from __future__ import annotations

VARIABLE = "null"

# Older names of the same operator.
CANONICAL_NAMES = {
    "_Plus": "elemwise_add",
    "_plus": "elemwise_add",
    "_add": "elemwise_add",
    "_Mul": "elemwise_mul",
    "_mul": "elemwise_mul",
    "identity": "_copy",
    "cast": "Cast",
    "concat": "Concat",
    "flatten": "Flatten",
    "reshape": "Reshape",
    "Softmax": "SoftmaxOutput",
    "BatchNorm_v1": "BatchNorm",
    "CuDNNBatchNorm": "BatchNorm",
    "Convolution_v1": "Convolution",
    "Pooling_v1": "Pooling",
}

# Attributes that MXNet requires (kernel, num_filter, num_hidden, act_type, axes of a softmax...) have no entry.
# A tuple "()" stands for: as many of the neutral value as there are spatial axes.
DEFAULTS: dict[str, dict[str, str]] = {
    "BatchNorm": {
        "eps": "0.001",
        "momentum": "0.9",
        "fix_gamma": "True",
        "use_global_stats": "False",
        "output_mean_var": "False",
        "axis": "1",
    },
    "Convolution": {"stride": "()", "dilate": "()", "pad": "()", "num_group": "1", "no_bias": "False"},
    "FullyConnected": {"no_bias": "False", "flatten": "True"},
    "Pooling": {
        "kernel": "()",
        "pool_type": "max",
        "stride": "()",
        "pad": "()",
        "global_pool": "False",
        "pooling_convention": "valid",
        "count_include_pad": "True",
    },
    "Concat": {"dim": "1"},
    "Reshape": {"reverse": "False"},
    "transpose": {"axes": "()"},
    "Dropout": {"p": "0.5", "mode": "training"},
    "LeakyReLU": {"act_type": "leaky", "slope": "0.25"},
    "LRN": {"alpha": "0.0001", "beta": "0.75", "knorm": "2"},
    "L2Normalization": {"eps": "1e-10", "mode": "instance"},
    "SoftmaxOutput": {
        "grad_scale": "1",
        "ignore_label": "-1",
        "multi_output": "False",
        "use_ignore": "False",
        "preserve_shape": "False",
        "normalization": "null",
    },
    "softmax": {"axis": "-1"},
    "SoftmaxActivation": {"mode": "instance"},
    "LogisticRegressionOutput": {"grad_scale": "1"},
    "MakeLoss": {"grad_scale": "1", "valid_thresh": "0", "normalization": "null"},
    "smooth_l1": {"scalar": "1"},
    "_contrib_MultiBoxPrior": {
        "sizes": "(1,)",
        "ratios": "(1,)",
        "clip": "False",
        "steps": "(-1, -1)",
        "offsets": "(0.5, 0.5)",
    },
    "_contrib_MultiBoxTarget": {
        "overlap_threshold": "0.5",
        "ignore_label": "-1",
        "negative_mining_ratio": "-1",
        "negative_mining_thresh": "0.5",
        "minimum_negative_samples": "0",
        "variances": "(0.1, 0.1, 0.2, 0.2)",
    },
    "_contrib_MultiBoxDetection": {
        "clip": "True",
        "threshold": "0.01",
        "background_id": "0",
        "nms_threshold": "0.5",
        "force_suppress": "False",
        "variances": "(0.1, 0.1, 0.2, 0.2)",
        "nms_topk": "-1",
    },
}
