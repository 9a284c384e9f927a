"""One node of an MXNet graph, the typed reading of its attributes, and MXNet's defaults for those left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from vision.settings.errors import DataError

# Operators as far as these networks use them. Values of attributes are strings in symbol.json and are strings here,
# so that both are parsed alike. Source: the parameter structures of MXNet 1.9.1.
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

# Longer than any shape or list of anchor sizes.
MAX_TUPLE = 64
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
Number = TypeVar("Number", int, float)
Parsed = TypeVar("Parsed")


class Output(NamedTuple):
    """Output number ``output`` of the node at ``node`` in the graph's list."""

    node: int
    output: int


@dataclass(frozen=True, slots=True)
class Node:
    """An operator, or a variable when ``op`` is "null".

    ``op`` is the current name of the operator. ``attributes`` are as the file gives them; the methods parse them
    and fill in MXNet's default. On a variable they are hints copied from its consumer. ``key`` names file and node.
    """

    index: int
    op: str
    name: str
    inputs: tuple[Output, ...]
    attributes: Mapping[str, str]
    key: str

    @property
    def is_variable(self) -> bool:
        return self.op == VARIABLE

    def has(self, attribute: str) -> bool:
        """Return whether the attribute is given in the file or has a default."""
        return self._raw(attribute) is not None

    def text(self, attribute: str) -> str:
        """Return the attribute as a word, such as ``relu``."""
        raw = self._raw(attribute)
        if raw is None:
            raise DataError(self.key, f"the operator {self.op} has no attribute {attribute!r}, which it needs")
        return raw

    def flag(self, attribute: str) -> bool:
        """Return the attribute as a truth value, written True, False, 1 or 0."""
        text = self.text(attribute)
        if text.lower() not in _FLAGS:
            raise self._error(attribute, "True or False")
        return _FLAGS[text.lower()]

    def integer(self, attribute: str) -> int:
        """Return the attribute as a whole number."""
        return self._parse(attribute, "a whole number", _integer)

    def number(self, attribute: str) -> float:
        """Return the attribute as a finite number."""
        return self._parse(attribute, "a number", _number)

    def integers(self, attribute: str) -> tuple[int, ...]:
        """Return the attribute as whole numbers, such as ``(3, 3)``; () if left out, for the neutral values."""
        return self._parse(attribute, "whole numbers in brackets", lambda text: _tuple(text, _integer))

    def numbers(self, attribute: str) -> tuple[float, ...]:
        """Return the attribute as finite numbers, such as ``(0.1, 0.141)``."""
        return self._parse(attribute, "numbers in brackets", lambda text: _tuple(text, _number))

    def _raw(self, attribute: str) -> str | None:
        given = self.attributes.get(attribute)
        return DEFAULTS.get(self.op, {}).get(attribute) if given in (None, "None") else given

    def _parse(self, attribute: str, wanted: str, parse: Callable[[str], Parsed]) -> Parsed:
        text = self.text(attribute)
        try:
            return parse(text)
        except ValueError:
            raise self._error(attribute, wanted) from None

    def _error(self, attribute: str, wanted: str) -> DataError:
        return DataError(self.key, f"attribute {attribute!r}: expected {wanted}, found {self.text(attribute)[:60]!r}")


def _integer(text: str) -> int:
    # Python 2 wrote long integers with an L.
    return int(text.strip().removesuffix("L"))


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _tuple(text: str, parse: Callable[[str], Number]) -> tuple[Number, ...]:
    text = text.strip()
    inside = text[1:-1] if text[:1] + text[-1:] in ("()", "[]") else text
    items = inside.strip().removesuffix(",").split(",") if inside.strip() else []
    if len(items) > MAX_TUPLE:
        raise ValueError(text)
    return tuple(parse(item) for item in items)
