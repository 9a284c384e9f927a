"""Makes the real MXNet 1.9.1 importable beside current versions of NumPy, to check ourselves against it.

Nothing here or in this package needs MXNet to run. The only file that changes anything global: names that NumPy
removed and MXNet asks for come back, for the time of its import.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
import warnings
from types import ModuleType
from typing import Any

import numpy as np

# NumPy 2 dropped these; MXNet's numpy interface lists them, and never calls those that are None.
_REMOVED: dict[str, Any] = {
    "PZERO": 0.0,
    "NZERO": -0.0,
    "PINF": np.inf,
    "NINF": -np.inf,
    "Inf": np.inf,
    "NAN": np.nan,
    "NaN": np.nan,
    "alltrue": np.all,
    "sometrue": np.any,
    "product": np.prod,
    "round_": np.round,
    "in1d": np.isin,
    "msort": lambda array: np.sort(array, axis=0),
    "trapz": None,
    **dict.fromkeys(("mirr", "npv", "pmt", "ppmt", "pv", "rate")),
}


def import_mxnet() -> ModuleType:
    """The module ``mxnet``. Its import takes half of the threads of the process; set OMP_NUM_THREADS to keep them."""
    if "mxnet" in sys.modules:
        return sys.modules["mxnet"]
    if _is_missing("bool"):
        # NumPy 1.24 to 1.26. It stays: mx.np reads it when it runs. In NumPy 2 np.bool is another type.
        np.bool = bool  # type: ignore[misc, assignment]
    added = {name: value for name, value in _REMOVED.items() if _is_missing(name)}
    for name, value in added.items():
        setattr(np, name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import mxnet
    finally:
        for name in added:
            delattr(np, name)
    if not hasattr(np.ndarray, "tostring"):
        _mend_recordio()
    return mxnet


def _is_missing(name: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not hasattr(np, name)


def _mend_recordio() -> None:
    """NumPy 2.3 has no ``tostring``, which MXNet's own packing of records calls."""
    import mxnet.recordio as recordio

    for name in ("pack", "pack_img"):
        source = textwrap.dedent(inspect.getsource(getattr(recordio, name))).replace(".tostring()", ".tobytes()")
        exec(compile(source, recordio.__file__, "exec"), recordio.__dict__)
