"""Recognises Fourier coefficients and spectra, which are no fields in space, by names and by lists.

See docs/decisions/0153.
"""

from __future__ import annotations

import re
from itertools import chain

from ingest.contents.axis_names import space_name
from ingest.contents.listing import ArrayInfo
from ingest.formats.number_types import is_coefficient
from shards.program.console import printable

# A spectrum has at least so many numbers.
FEWEST_NUMBERS = 3
_WAVENUMBER = re.compile(r"k[xyz]|wave_?numbers?(_?[xyz])?", re.IGNORECASE)
# Axes of spectra; `k` is also a level, but not as the only axis of an energy.
_SPECTRAL = re.compile(
    r"(ang(ular)?_?)?freq(s|uenc(y|ies))?|wave_?(numbers?|lengths?)|harmonics?|modes?|k_?(bins?|vals?|mag)"
    r"|spherical_harmonic_degree|periods?",
    re.IGNORECASE,
)
_ENERGY = re.compile(r"e(_?k)?|ek|\w*(spectr(um|a|al)|psd|power|energy|kinetic)\w*|tke", re.IGNORECASE)


def along_wavenumbers(path: str, dimensions: tuple[str, ...]) -> str:
    """Why an array along wavenumbers is no field in space; empty where no dimension is called so.

    >>> along_wavenumbers("Phi", ("time", "kx", "ky")).partition(";")[0]
    'Phi is along the wavenumbers kx, ky: Fourier coefficients'
    """
    found = [each for each in dimensions if _WAVENUMBER.fullmatch(each.rpartition("/")[2])]
    if not found:
        return ""
    return (
        f"{printable(path)} is along the wavenumbers {printable(', '.join(found))}: Fourier coefficients; "
        "expected values in space; write the inverse transform (numpy.fft.irfft2)"
    )


def with_wavenumbers(path: str, cells: tuple[int, ...], listed: tuple[ArrayInfo, ...]) -> str:
    """Why an array is none in space, if lists kx and ky have the lengths of its axes and no list x has.

    Some programs write wavenumbers next to fields in space, so the name must say so, or one axis is half as
    long as another, as a real transform has it.
    """
    lists = [each for each in listed if len(each.values) == 1 and each.size > 1]
    found = {each.name: each.size for each in lists if _WAVENUMBER.fullmatch(each.name)}
    if len(found) < 2 or not set(found.values()) <= set(cells):
        return ""
    is_half = min(found.values()) == max(found.values()) // 2 + 1
    if any(space_name(each.name) for each in lists) or not (is_half or is_coefficient(path)):
        return ""
    return (
        f"{printable(path)} has the axes of the wavenumbers {printable(', '.join(found))}: Fourier "
        "coefficients; expected values in space; write the inverse transform (numpy.fft.irfft2)"
    )


def spectrum(listed: tuple[ArrayInfo, ...], cells: int = 0, dimension: str = "") -> str:
    """Why an array along frequencies or wavenumbers is no field in space; empty where no name says so.

    `cells` and `dimension` are the length and the name of the only axis, if there is one. Otherwise any list
    of such numbers counts that is as long as the last axis of another array.
    """
    axis = dimension.rpartition("/")[2]
    whole_lists = [each for each in listed if len(each.values) == 1 and not each.fault]
    lists = [each for each in whole_lists if each.size >= FEWEST_NUMBERS]
    for each in listed:
        if each.fault or (cells and cells not in each.values):
            continue
        if each in whole_lists and not _ENERGY.fullmatch(each.name):
            continue
        last = each.values[-1] if len(each.values) <= 2 else 0
        names = [one.name for one in lists if one.size == (cells or last) and one is not each]
        for name in [axis, *names] if axis else names:
            if _SPECTRAL.fullmatch(name) or (name.lower() == "k" and _ENERGY.fullmatch(each.name)):
                return (
                    f"{printable(each.path)} is along {printable(name)}: a spectrum, not a field in space; "
                    "expected arrays over time and space; leave this file out, and name those with the fields"
                )
    return ""


def complex_numbers(listed: tuple[ArrayInfo, ...]) -> str:
    """The largest array of complex numbers: coefficients, or a field whose parts are two."""
    held = [each for each in listed if "holds complex" in (each.fault or "")]
    if not held:
        return ""
    names = set(chain.from_iterable((each.name, *each.dimensions) for each in listed))
    named = any(_WAVENUMBER.fullmatch(name) for name in names)
    if named or any(is_coefficient(each.path) for each in held):
        return (
            f"{printable(held[0].path)} holds complex numbers, Fourier coefficients by its name or its "
            "wavenumbers; expected values in space; write the inverse transform (numpy.fft.irfft2)"
        )
    return (
        f"{printable(held[0].path)} holds complex numbers; expected real ones; write two arrays, its real "
        "and its imaginary part (.real, .imag)"
    )
