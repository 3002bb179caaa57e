"""Types of numbers that are not read, and what to do about them."""

from __future__ import annotations

from typing import Any

import numpy as np


def wrong_type(dtype: np.dtype[Any] | None, name: str) -> str:
    """What is wrong with an array of this type (None: it holds nothing), and what to type.

    >>> wrong_type(np.dtype("S3"), "names")
    'holds |S3; expected integers or floats up to 64 bits'
    >>> wrong_type(np.dtype("complex64"), "psi").partition("; ")[2]
    'expected real numbers; write two arrays, psi_real = psi.real and psi_imag = psi.imag'
    """
    if dtype is not None and dtype.kind == "c":
        plain = name.rpartition("/")[2]
        return (
            f"holds {dtype}; expected real numbers; write two arrays, {plain}_real = {plain}.real and "
            f"{plain}_imag = {plain}.imag"
        )
    return f"holds {'nothing' if dtype is None else dtype}; expected integers or floats up to 64 bits"
