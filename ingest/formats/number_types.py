"""Explains types of numbers that we cannot read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

# Names of coefficients of a transform: u_hat, spectral/u, fft_u.
_COEFFICIENTS = re.compile(r"hat($|[-_/\d])|spectr|fourier|fft|(^|[-_/])coeff?s?($|[-_/])", re.IGNORECASE)


def is_coefficient(path: str) -> bool:
    """Whether complex numbers of this name are Fourier coefficients.

    >>> is_coefficient("vort_hat/2D/0"), is_coefficient("psi")
    (True, False)
    """
    return bool(_COEFFICIENTS.search(path))


def wrong_type(dtype: np.dtype[Any] | None, name: str) -> str:
    """What is wrong with an array of this type (None: it holds nothing), and what to do.

    >>> wrong_type(np.dtype("S3"), "names")
    'holds |S3; expected integers or floats up to 64 bits'
    >>> wrong_type(np.dtype([("rho", "f4"), ("u", "f4")]), "state").partition("; ")[0]
    "holds records of 'rho, u'"
    >>> wrong_type(np.dtype("complex64"), "psi").partition("; ")[2]
    'expected real numbers; write two arrays, its real and its imaginary part (.real, .imag)'
    >>> wrong_type(np.dtype("complex64"), "u_hat").rpartition("; ")[2]
    'write the inverse transform (numpy.fft.irfft2)'
    >>> wrong_type(np.dtype("O"), "results").rpartition("; ")[2]
    'save each array under a name of its own (numpy.savez)'
    """
    if dtype is not None and dtype.kind == "c":
        if is_coefficient(name):
            cure = "expected values in space; write the inverse transform (numpy.fft.irfft2)"
            return f"holds {dtype}, Fourier coefficients by its name; {cure}"
        cure = "expected real numbers; write two arrays, its real and its imaginary part (.real, .imag)"
        return f"holds {dtype}; {cure}"
    if dtype is not None and dtype.names:
        names = ", ".join(dtype.names)
        return (
            f"holds records of {names!r}; expected integers or floats; save each field as an array of its own"
        )
    # h5py says in the metadata what an object of variable length is; without them it is one of Python.
    of_length = dtype.metadata.get("vlen") if dtype is not None and dtype.metadata else None
    if of_length in (str, bytes):
        return "holds text; expected integers or floats up to 64 bits"
    if of_length is not None:
        return f"holds lists of {of_length} of different lengths; expected one array of numbers"
    # A dictionary in an npy file needs pickle, which may run code.
    cure = (
        "; save each array under a name of its own (numpy.savez)"
        if dtype is not None and dtype.hasobject
        else ""
    )
    held = "nothing" if dtype is None else dtype
    return f"holds {held}; expected integers or floats up to 64 bits{cure}"
