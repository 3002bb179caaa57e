"""Classifies names of dimensions: time, trajectory, component, or a coordinate of space."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from ingest.contents.plain_letters import plain_letters
from ingest.layout import CHANNEL, TIME, TRAJECTORY, swept_axis
from shards.schema import TAKEN

Role = Literal["n", "t", "c", "space", "other", ""]

# Units behind the names of coordinates and times: x_mm, lat_deg, time_ms.
_LENGTH = r"[-_](?P<length>[numck]?m|metres?|meters?|ft|pc|kpc|mpc|au|deg|degrees?|rad|radians?)"
_DURATION = r"[-_](?P<duration>s|sec|seconds?|[munpf]s|h|hours?|days?|yr|years?)"
# Names of counters; times in a physical unit come before them.
COUNTER_NAME = re.compile(r"frames?|snapshots?|time_?steps?", re.IGNORECASE)
TIME_NAME = re.compile(
    r"(sim(ulation)?|ocean|scrum|model|valid|physical|output|current|elapsed|vs|lead|forecast|code|dump)?_?"
    rf"(t|times?)([-_](coordinates?|counter|axis|instant|centered|diag|dump)|[-_]?value|{_DURATION})?"
    r"|t_(sim|phys(ical)?)|(simulations)?zeit|temps|tiempo|tempo|tijd|tid|czas|aika|zaman|jikan|vrem(ya|e)"
    r"|xtime|time_?\d|timestamps?|t_?(eval|out|array|list|grid|span|vec|vector)|tt|" + COUNTER_NAME.pattern,
    re.IGNORECASE,
)
# Times that count from the start of each forecast (WeatherBench, cfgrib), next to an axis of the starts.
LEAD_NAME = re.compile(
    r"lead(_?(times?|hours?|days?|steps?))?|(forecast|prediction)_?(period|timedelta|times?|hours?|steps?|lead)"
    r"|steps?|fhr|fxx",
    re.IGNORECASE,
)
# An attribute that says when a state is by a date; `creation_date` does not.
DATE_NAME = re.compile(rf"({TIME_NAME.pattern}|(valid|model|current)?_?(date_?(time)?))", re.IGNORECASE)
RUN_NAME = re.compile(
    r"n|runs?|samples?|traj(ectory|ectories|s)?|ensembles?|ens|members?|reali[sz]ations?|batch(es)?"
    r"|simulations?|sims?|cases?|seeds?|number",
    re.IGNORECASE,
)
COMPONENT_NAME = re.compile(
    r"c|channels?|components?|comps?|var(iable)?s?|fields?|features?|vectors?|num_eqn|species|tracers?",
    re.IGNORECASE,
)
# A list, or a dimension, of values of a parameter: one per trajectory.
_PARAMETER = (
    r"re|ra|pr|ma|pe|sc|fr|ro|ek|we|ca|nu|kappa|alpha|beta|gamma|eps(ilon)?|reynolds|rayleigh"
    r"|prandtl|mach|peclet|schmidt|froude|rossby|weber|atwood|(\w*_)?(viscosit(y|ie)|diffusivit(y|ie)"
    r"|conductivit(y|ie)|resistivit(y|ie))|gravity|amp(litude)?|forcing|coef(ficient)?|param(eter)?|seed"
    r"|ic|init(ial)?(_?(cond(ition)?|state|value))?"
)
PARAMETER_NAME = re.compile(
    rf"({_PARAMETER})s?([-_]?(num(ber)?s?|val(ue)?s?|list|arr(ay)?|vec|range))?", re.IGNORECASE
)
# Axes of data without a grid, or of a grid in pieces.
OTHER_NAME = re.compile(
    r"particles?|atoms?|nodes?|n?cells?|nele|ncol|points?|n?faces?|edges?|vertices|n?bnds?|bounds|nv|obs"
    r"|blocks?|nblocks?"
    # UGRID: nMesh2_face, mesh2d_nFaces.
    r"|n?mesh\w*_n?(faces?|nodes?|edges?|volumes?)"
    r"|str(ing)?_?len(gth)?|datestrlen",
    re.IGNORECASE,
)
# A coordinate in one of these units is a time.
TIME_UNITS = {
    *("s", "sec", "second", "seconds", "ms", "milliseconds", "us", "ns", "min", "minutes", "h", "hr", "hour"),
    *("hours", "d", "day", "days", "year", "years"),
}
# Names that libraries give to dimensions without a name.
UNNAMED = re.compile(r"|(phony_)?dim_?\d+|fakedim\d+|axis_?\d+|[0-9.]+", re.IGNORECASE)

# A unit in brackets behind a name: x [m], u (m/s).
_UNIT = (
    r"(?:[kMGcdmµμunp]?(?:m|s|g|Pa|J|W|N|V|A|Hz|eV|T|bar|mol|L)|K|°?C|deg[CF]?|rad|min|h|hours?|d|days?"
    r"|yr|years?|%|psu|ft|au|pc|met(?:er|re)s?|seconds?|degrees?)"
)
_IN_BRACKETS = re.compile(rf"\s*[\[(]((?:1/)?{_UNIT}(?:[ */·^+-]*(?:{_UNIT}|\d+))*)[\])]$")

SPACE_NAMES = (
    *("x", "y", "z", "r", "log_r", "theta", "phi"),
    *("lev", "level", "plev", "depth", "altitude", "lat", "latitude", "lon", "longitude"),
)
# The three small letters are those of Oceananigans: on the centre or the face of a cell, per axis.
_SUFFIX = (
    r"[-_](coordinates?|cent(?:er|re)s?|cells?|grid|axis|rho|faces?"
    r"|values?|vals?|positions?|pos|mesh|points?)"
    r"|[-_]?coor(?:d|ds)?|s|[\u1d9c\u1da0\u1d43]{3}"
    rf"|{_LENGTH}"
)
_PREFIX = r"(?:coord(?:inate)?s?|grid|mesh|axis|cell|cent(?:er|re)s?|nav)[-_]?"
SPACE_NAME = re.compile(rf"(?:{_PREFIX})?({'|'.join(SPACE_NAMES)})(?:{_SUFFIX})?", re.IGNORECASE)
# Usual names of cell centres in codes: xh, xc, xt, x1v, x_1, xvec; of meshgrids: xx, x2d.
SOLVER_NAME = re.compile(
    r"([xyz])(?:\1|h|c|t|f|v|u|cc|cen|_?[123]d|1v|_?(?:grid|vec|vector|list|array))|x([123])v", re.IGNORECASE
)
DOUBLED = re.compile(r"xx|yy|zz", re.IGNORECASE)
# Components of a tensor, of which some are called like meshgrids: xx, xy, yy.
_MIXED = ("xy", "yx", "xz", "zx", "yz", "zy")

_LETTERS = (
    ("x", re.compile(r"x.*|lon.*|west_east.*|rlon|ni|i|nx|xi_.*|east.*", re.IGNORECASE)),
    ("y", re.compile(r"y.*|lat.*|south_north.*|rlat|nj|j|ny|eta_.*|north.*", re.IGNORECASE)),
    (
        "z",
        re.compile(
            r"z.*|lev.*|plev.*|depth.*|alt.*|height.*|bottom_top.*|k|nk|nz|s_(rho|w)|st_ocean|isobaric.*",
            re.IGNORECASE,
        ),
    ),
)


def axis_word(dimension: str) -> str:
    """A name for an axis of the recipe, from the name of a dimension.

    >>> axis_word("scales/x/1.0"), axis_word("st_ocean"), axis_word("t")
    ('x', 'st_ocean', 't_axis')
    >>> axis_word("scales/x_hash_ab12cd34ef")
    'x'
    """
    parts = [part for part in dimension.split("/") if part and not re.fullmatch(r"[0-9.]+", part)]
    # Dedalus adds what tells one basis from another of the same name.
    own = re.sub(r"_hash_[0-9a-f]+$", "", parts[-1]) if parts else ""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", plain_letters(own)).strip("_")
    if not plain or not plain[0].isalpha():
        plain = f"axis_{plain}".rstrip("_")
    reserved = plain in TAKEN or plain.lower() in (TRAJECTORY, TIME, CHANNEL, "b") or swept_axis(plain)
    return f"{plain}_axis" if reserved else plain


def role(dimension: str, attributes: Mapping[str, str]) -> Role:
    """What a dimension means, from its name and the attributes of its coordinate; empty if unknown.

    >>> role("ocean_time", {}), role("yh", {}), role("member", {}), role("", {})
    ('t', 'space', 'n', '')
    >>> role("viscosity", {}), role("ic", {})
    ('n', 'n')
    >>> role("when", {"units": "days since 2000-01-01"})
    't'
    """
    said = _role_by_attributes(attributes)
    if said:
        return said
    last = dimension.rpartition("/")[2]
    word = axis_word(dimension) if not UNNAMED.fullmatch(dimension) else ""
    if not word:
        return ""
    for name in (last, word.removesuffix("_axis")):
        if TIME_NAME.fullmatch(name):
            return "t"
        if RUN_NAME.fullmatch(name) or PARAMETER_NAME.fullmatch(name):
            return "n"
        if COMPONENT_NAME.fullmatch(name):
            return "c"
        if OTHER_NAME.fullmatch(name):
            return "other"
    return "space"


def _role_by_attributes(attributes: Mapping[str, str]) -> Role:
    """What the CF conventions of climate files say about a coordinate."""
    axis = attributes.get("axis", "").upper()
    standard = attributes.get("standard_name", "")
    if axis == "T" or standard == "time" or " since " in attributes.get("units", ""):
        return "t"
    if axis == "E" or standard == "realization":
        return "n"
    if attributes.get("units", "").lower() in TIME_UNITS and axis == "":
        return "t"
    if axis in ("X", "Y", "Z") or attributes.get("positive", "") in ("up", "down"):
        return "space"
    return ""


def is_space(dimension: str, attributes: Mapping[str, str]) -> bool:
    """Whether a dimension is certainly an axis of space, by its name, its attributes or a unit of length.

    >>> is_space("yh", {}), is_space("radius", {"units": "km"}), is_space("when", {})
    (True, True, False)
    """
    last = dimension.rpartition("/")[2]
    by_unit = re.match(r"(k|c|m|u|n)?m$|met(er|re)s?|degree", attributes.get("units", ""))
    by_attributes = _role_by_attributes(attributes) == "space" or by_unit is not None
    return by_attributes or bool(SPACE_NAME.fullmatch(last) or SOLVER_NAME.fullmatch(last) or letter(last))


def letter(axis: str) -> str:
    """The direction of an axis: x, y, z, or empty.

    >>> letter("xh"), letter("latitude"), letter("st_ocean"), letter("theta")
    ('x', 'y', 'z', '')
    """
    if axis in ("r", "theta", "phi", "log_r"):
        return ""
    return next((word for word, pattern in _LETTERS if pattern.fullmatch(axis)), "")


def without_unit(name: str) -> str:
    """A name without the unit in brackets behind it.

    >>> without_unit("x [m]"), without_unit("u (m/s)"), without_unit("run (old)"), without_unit("data[0]")
    ('x', 'u', 'run (old)', 'data[0]')
    """
    return _IN_BRACKETS.sub("", name)


def unit_in_name(name: str) -> str:
    """The unit in brackets behind a name, or that behind the name of a coordinate or of a time; empty if
    there is none.

    >>> unit_in_name("x_mm"), unit_in_name("lat_deg"), unit_in_name("time_ms"), unit_in_name("u_m")
    ('mm', 'deg', 'ms', '')
    >>> unit_in_name("u (m/s)"), unit_in_name("rho [kg m^-3]")
    ('m/s', 'kg m^-3')
    """
    bracketed = _IN_BRACKETS.search(name)
    if bracketed:
        return bracketed[1]
    space, time = SPACE_NAME.fullmatch(name), TIME_NAME.fullmatch(name)
    return (space and space["length"]) or (time and time["duration"]) or ""


def are_of_tensor(names: Iterable[str]) -> bool:
    """Whether names are those of components of a tensor, so that xx and yy are no coordinates.

    >>> are_of_tensor(["xx", "xy", "yy"]), are_of_tensor(["xx", "yy"])
    (True, False)
    """
    return any(name.lower() in _MIXED for name in names)


def space_name(name: str) -> str:
    """The axis of space of an array without named dimensions, from its own name; empty if it is none.

    >>> space_name("x-coordinate"), space_name("zcoor"), space_name("grid_x"), space_name("x2v")
    ('x', 'z', 'x', 'y')
    >>> space_name("x_mm"), space_name("yy"), space_name("rho")
    ('x', 'y', '')
    """
    name = without_unit(name)
    found = SPACE_NAME.fullmatch(name)
    if found:
        return found[1].lower()
    found = SOLVER_NAME.fullmatch(name)
    if not found:
        return ""
    return found[1].lower() if found[1] else "xyz"[int(found[2]) - 1]
