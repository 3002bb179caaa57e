"""Says what a file holds in place of fields on a grid: a mesh, points, references.

See docs/decisions/0153.
"""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt

from ingest.contents.axis_names import OTHER_NAME, space_name
from ingest.contents.listing import RECORD, UNKNOWN, ArrayInfo, root_numbers
from ingest.contents.number_lists import one_way
from ingest.contents.solvers import INTERPOLATE, UNSTRUCTURED
from ingest.formats.arrays import ArrayFile, only_number, whole
from ingest.inferring.coefficients import along_wavenumbers, complex_numbers, spectrum
from shards.errors import SourceError
from shards.program.console import printable

# Where MATLAB and Julia keep the arrays that references point to.
REFERRED = ("#refs#/", "_refs/")
# What the table is called that says which points make a cell.
_CONNECTIVITY = re.compile(
    r"((cell|face|edge|elem(ent)?|volume|quad|tri)[-_]?)?(node|vert(ex|ices)?|point)s?"
    r"([-_]?(conn\w*|ind\w*))?"
    r"|\w*connectivity|connect\d*|topology|cells?|elem(ent)?s?|tri(angle)?s?|tet(ra(hedra)?)?s?|simplices"
    r"|faces|nv|ien|nod|\w+_(face|edge|volume)_nodes",
    re.IGNORECASE,
)
# Points of a cell: two of an edge to 27 of a hexahedron.
CORNERS = range(2, 28)
FEWEST_POINTS = 3
# Fewer points cannot be interpolated to a grid.
MOST_PROBES = 10
PROBES = "probes or stations, no grid; expected fields on a grid; name the files that hold them"
# Names of lists that say where points are: clon, lonc, cell_x, Cy, lat.
_SENSOR = r"probe|sensor|station|receiver|rec|gau?ge|buoy|detector|electrode|tracer"
_PLACE = rf"(?:c|n|p|s|(?:cell|node|face|elem(?:ent)?|point|vertex|{_SENSOR})s?[-_]?)?"
_POSITION = re.compile(
    rf"{_PLACE}(x|y|z|lon|lat)(?:gitude|itude)?"
    r"(?:c|p|s|[-_]?(?:coords?|coordinates?|cell|node|pos|points?))?",
    re.IGNORECASE,
)
# Lists of positions as one array [N, 2] or [N, 3].
POSITIONS = re.compile(
    rf"{_SENSOR}|coord|point|cent(er|re)|node|vert|pos(ition)?s?|xyz|mesh|location|geometry"
    r"|^(c|xy|cells?|grid|x([-_](star|data|all|train|test))?)$",
    re.IGNORECASE,
)
# What an array is called that holds the coordinates of each cell.
_PLACES = re.compile(
    r"coords?|coordinates?|pos(ition)?s?|xyz?|grid(_?points)?|mesh(_?grid)?|points|locations?"
    r"|cell_?cent(er|re)s?",
    re.IGNORECASE,
)
# Numbers of cells along the axes: nx, Ny, n_z.
_CELLS_ALONG = re.compile(r"n_?[xyz]|n_?(lon|lat)", re.IGNORECASE)
# The fields of a record that is a complex number, as Fortran programs store it: r, i, real, imaginary.
_COMPLEX_PARTS = re.compile(r"records of '(r|re|real), (i|im|imag|imaginary)'", re.IGNORECASE)
_HEALPIX = re.compile(r"healpix|hpx|hp_|cells?|pix(els?)?", re.IGNORECASE)


def is_referred(path: str) -> bool:
    """Whether an array is one that references point to: its own name says nothing.

    >>> is_referred("#refs#/b"), is_referred("run/u")
    (True, False)
    """
    return path.startswith(REFERRED)


def places_cells(each: ArrayInfo) -> bool:
    """Whether an array says where the cells of a grid are, coords [x, y, 2] or [2, x, y]: it is no field.

    >>> from ingest.contents.listing import ArrayStorage
    >>> places_cells(ArrayInfo("coords", (14, 10, 2), "float64", ArrayStorage()))
    True
    """
    shape = each.shape or ()
    axes = len(shape) - 1
    return axes in (2, 3) and axes in (shape[0], shape[-1]) and _PLACES.fullmatch(each.name) is not None


def mesh(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """Why cells of a mesh are no grid; empty where no array says which points make a cell."""
    for each in listed:
        if each.size == 1 and not each.fault and _role_by_conventions(arrays, each) == "mesh_topology":
            return f"{printable(each.path)} describes a mesh: {UNSTRUCTURED}"
        if each.dtype in (RECORD, UNKNOWN) or not each.shape or np.dtype(each.dtype).kind not in "iu":
            continue
        is_table = len(each.shape) == 2 and min(each.shape) in CORNERS and max(each.shape) > min(each.shape)
        if is_table and not each.pattern and _CONNECTIVITY.fullmatch(each.path.rpartition("/")[2]):
            return f"{printable(each.path)} says which points make a cell: {UNSTRUCTURED}"
    return ""


def _role_by_conventions(arrays: ArrayFile, each: ArrayInfo) -> object:
    """What the conventions of climate files say of an array; UGRID calls the description of a mesh so."""
    return arrays.attributes(each.path).get("cf_role")


def no_grid(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """The reason, where no array is a field on a grid; empty where no mark of one is known."""
    along = (along_wavenumbers(each.path, each.dimensions) for each in listed)
    reasons = (
        complex_numbers(listed),
        _points(arrays, listed),
        _references(listed),
        spectrum(listed),
        *along,
        _records(listed),
        _objects(listed),
    )
    return next(filter(None, reasons), "")


def list_of_cells(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], cells: int, dimension: str = "") -> str:
    """Why a single axis of so many cells is no axis, where the file says where each cell is."""
    name = dimension.rpartition("/")[2]
    reason = (
        _positions(arrays, listed, cells)
        or _flattened(arrays, listed, cells)
        or _healpix(arrays, listed, cells, name)
        or _points(arrays, listed)
        or spectrum(listed, cells, dimension)
    )
    if not reason and OTHER_NAME.fullmatch(name):
        return f"the dimension {printable(dimension)} is a list of cells or points; {INTERPOLATE}"
    return reason


def _positions(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], cells: int) -> str:
    """An array with the position of each cell, or of each particle at each time."""
    lengths = ((cells, 2), (cells, 3), (2, cells), (3, cells))
    positions = [each for each in listed if POSITIONS.search(each.name)]
    for each in positions:
        if each.lengths in lengths and not _lists_an_axis(arrays, each):
            is_sensor = re.search(_SENSOR, each.name, re.IGNORECASE)
            what, said = ("points", PROBES) if is_sensor else ("cells", UNSTRUCTURED)
            return f"{printable(each.path)} says where {cells} {what} are: {said}"
    for each in positions:
        if each.lengths[1:] in lengths:
            return (
                f"{printable(each.path)} says where {cells} particles are at each time; expected a grid with "
                "axes; bin them onto one first (scipy.stats.binned_statistic_dd)"
            )
    return ""


def _lists_an_axis(arrays: ArrayFile, each: ArrayInfo) -> bool:
    """Whether an array lists an axis for each of two or three trajectories: x [3, x], each row in order."""
    is_list = bool(space_name(each.name)) and not each.pattern and len(each.lengths) == 2
    # Positions of two or three components are in order by chance.
    if not is_list or each.lengths[1] <= 3:
        return False
    try:
        rows = whole(arrays.array(each.path))
    except SourceError:
        return False
    return all(map(one_way, rows))


def _flattened(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], cells: int) -> str:
    """A grid written as a list, where the file states its shape."""
    shape = _stated_shape(arrays, listed, cells)
    if not shape:
        return ""
    grid = " by ".join(map(str, shape))
    return (
        f"an axis of {cells} values, which the file states to be a grid of {grid}; expected an axis for "
        "each; give every array that shape (numpy.reshape)"
    )


def _healpix(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], cells: int, dimension: str) -> str:
    """A sphere divided by HEALPix, as an attribute states, or as a name and the number of cells say."""
    single = [each for each in listed if each.size == 1 and not each.fault]
    mappings = [arrays.attributes(each.path).get("grid_mapping_name") for each in single]
    numbers = [12 * 4**order for order in range(1, 30)]
    if "healpix" not in mappings and not (_HEALPIX.match(dimension) and cells in numbers):
        return ""
    return (
        f"{cells} cells of HEALPix, a list of cells on the globe; expected a grid with axes; interpolate "
        "to latitudes and longitudes first (healpy.get_interp_val)"
    )


def _stated_shape(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], cells: int) -> tuple[int, ...]:
    """The numbers of cells along two or three axes that the file states, if they are `cells` together."""
    numbers = root_numbers(arrays)
    for each in listed:
        if each.size == 1 and not each.fault and _CELLS_ALONG.fullmatch(each.name):
            numbers[each.name] = only_number(arrays.array(each.path))
    stated = {name.lower(): value for name, value in numbers.items() if _CELLS_ALONG.fullmatch(name)}
    sides = tuple(int(stated[name]) for name in sorted(stated) if stated[name] > 1)
    return sides if len(sides) > 1 and math.prod(sides) == cells else ()


def _points(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """Lists x and y as long as an axis of the others: points without a grid, or a grid written as a list."""
    places: dict[int, dict[str, ArrayInfo]] = {}
    for each in listed:
        found = _POSITION.fullmatch(each.name)
        if found and len(each.values) == 1 and each.values[0] >= FEWEST_POINTS and not each.fault:
            places.setdefault(each.values[0], {}).setdefault(found[1].lower(), each)
    for count, axes in places.items():
        own = list(axes.values())
        fields = [each for each in listed if count in each.values and each not in own]
        if len(axes) < 2 or not any(map(_may_be_of_points, fields)):
            continue
        names = printable(", ".join(each.path for each in own))
        shape = _shape_of_grid(arrays, own) if len(own) == 2 else ()
        if shape:
            return (
                f"{names} are the {count} cells of a grid of {shape[0]} by {shape[1]} as a list; expected "
                f"arrays with an axis each; write u.reshape(-1, {shape[0]}, {shape[1]}) of each"
            )
        is_probe = count < MOST_PROBES or re.search(_SENSOR, names, re.IGNORECASE)
        what = PROBES if is_probe else f"points without a grid; {INTERPOLATE}"
        return f"{names} say where {count} points are: {what}"
    return ""


def _may_be_of_points(each: ArrayInfo) -> bool:
    """Whether an array may be [time, point], or with a few components."""
    return bool(each.pattern) or len(each.values) == 2 or (len(each.values) == 3 and min(each.values) <= 3)


def _shape_of_grid(arrays: ArrayFile, lists: list[ArrayInfo]) -> tuple[int, ...]:
    """The shape that makes two lists a meshgrid; empty where none does."""
    try:
        first, second = (whole(arrays.array(each.path)).reshape(-1) for each in lists)
    except SourceError:
        return ()
    for slow, fast in ((first, second), (second, first)):
        shape = (len(np.unique(slow)), len(np.unique(fast)))
        if min(shape) > 1 and shape[0] * shape[1] == slow.size and _is_meshgrid(slow, fast, shape):
            return shape
    return ()


def _is_meshgrid(
    slow: npt.NDArray[np.float64], fast: npt.NDArray[np.float64], shape: tuple[int, int]
) -> bool:
    rows, columns = slow.reshape(shape), fast.reshape(shape)
    return bool((rows == rows[:, :1]).all() and (columns == columns[:1]).all())


def _has_fault(each: ArrayInfo, words: str) -> bool:
    """Whether the fault of an array begins with these words of `number_types.wrong_type`."""
    return each.fault is not None and each.fault.startswith(words)


def _records(listed: tuple[ArrayInfo, ...]) -> str:
    """Arrays of records, each with several fields; numpy calls them structured."""
    held = [each for each in listed if each.dtype == RECORD or _has_fault(each, "holds records")]
    if not held:
        return ""
    name = printable(held[0].path)
    if _COMPLEX_PARTS.search(held[0].fault or ""):
        return (
            f"{name} holds complex numbers as records of a real and an imaginary part; expected real ones; "
            "write two arrays, or if they are Fourier coefficients, the inverse transform (numpy.fft.irfft2)"
        )
    return (
        f"{name} is an array of records with several fields each; expected an array per field; save each as "
        f"one: numpy.savez(path, rho={name}['rho'], u={name}['u'])"
    )


def _objects(listed: tuple[ArrayInfo, ...]) -> str:
    """A list of arrays that Python pickled, as of runs of different lengths."""
    # HDF5 calls text and references objects too; these run no code.
    held = [each for each in listed if each.dtype == UNKNOWN and _has_fault(each, "holds object")]
    if not held:
        return ""
    name = printable(held[0].path)
    return (
        f"{name} is a list of Python objects, which may run code when they are read; expected plain arrays; "
        f"save each run: numpy.savez(f'run_{{k}}.npz', {name}={name}[k])"
    )


def _references(listed: tuple[ArrayInfo, ...]) -> str:
    """A struct array or a cell array of MATLAB, where the file has nothing else."""
    held = [each for each in listed if _has_fault(each, "holds object")]
    if not held or not any(is_referred(each.path) for each in listed):
        return ""
    group, _, _ = held[0].path.partition("/")
    name = printable(held[0].path)
    if "/" in held[0].path:
        return (
            f"{name} refers to arrays elsewhere: {printable(group)} is a struct array of MATLAB; expected "
            f"plain arrays; save each run: s = {printable(group)}(k); save('run_k.mat', '-struct', 's', "
            "'-v7.3')"
        )
    return (
        f"{name} refers to arrays elsewhere: it is a cell array of MATLAB; expected plain arrays; save "
        f"each run: u = {name}{{k}}; save('run_k.mat', 'u', '-v7.3')"
    )
