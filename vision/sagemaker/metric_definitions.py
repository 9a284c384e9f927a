"""The metrics that the platform reads from the log, named as the built-in algorithms name theirs.

Source: sagemaker-contract, sections 1.4 and 2.5.
"""

from __future__ import annotations

_NUMBER = r"([0-9.eE+-]+)"
_HOST = r"host=\S+"

METRIC_DEFINITIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "image_classification": (
        ("train:accuracy", rf"Epoch\[\d+\] Train-accuracy={_NUMBER}"),
        ("validation:accuracy", rf"Epoch\[\d+\] Validation-accuracy={_NUMBER}"),
        ("train:throughput", rf"Speed: {_NUMBER} samples/sec"),
    ),
    "object_detection": (
        ("train:progress", rf"#progress_metric: {_HOST}, completed (\S+) %"),
        (
            "train:smooth_l1",
            rf"#quality_metric: {_HOST}, epoch=\S+, batch=\S+ train smooth_l1 <loss>=(\S+)",
        ),
        (
            "train:cross_entropy",
            rf"#quality_metric: {_HOST}, epoch=\S+, batch=\S+ train cross_entropy <loss>=(\S+)",
        ),
        ("train:throughput", rf"#throughput_metric: {_HOST}, train throughput=(\S+) records/second"),
        ("validation:mAP", rf"#quality_metric: {_HOST}, epoch=\S+, validation mAP <score>=\((\S+)\)"),
    ),
}
