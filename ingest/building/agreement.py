"""Finds the input files that belong together: reads and compares their headers.

What the recipe states is checked when each file is opened. The rest (grid, type, boundaries that the recipe
leaves open) must be the same in all files. One file decides what it is, or the dataset that files are added
to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ingest.building.inputs import InputFile
from ingest.building.open_files import Identity, processes_that_write
from ingest.recipe import Recipe
from ingest.source import Row, find
from shards.card import KeptError, QuarantineEntry
from shards.errors import MismatchError, SourceError
from shards.schema import DType, Grid, Schema, Split


@dataclass(frozen=True)
class InputHeader:
    """The header of one input file: schema, rows, and what else was read of it.

    `schema` has the type in which frames are stored, `read_dtype` is the type in the file.
    """

    file: InputFile
    schema: Schema
    rows: tuple[Row, ...]
    read_dtype: DType

    @property
    def parameters(self) -> list[str] | None:
        """Names of the parameters; None for a file without trajectories."""
        return sorted(self.rows[0].scalars) if self.rows else None


@dataclass(frozen=True)
class ExistingDataset:
    """A built dataset that a plan adds files to: its schema, powers, errors, keys and number of parts.

    `parameters` are the sorted names of the parameters that each trajectory has. `parts` is the number of
    parts of each split; new parts are numbered after them.
    """

    schema: Schema
    parameters: list[str]
    powers: dict[str, int]
    errors: dict[str, KeptError]
    keys: frozenset[str]
    parts: dict[Split, int]

    def as_stored(self, schema: Schema) -> Schema:
        """The schema of a file as this dataset stores it: float64 is rounded if the dataset did so."""
        rounds = self.errors and self.schema.dtype == "float32"
        return replace(schema, dtype="float32") if rounds else schema


@dataclass(frozen=True)
class AgreedHeaders:
    """Headers of the files that agree, the files that are left out, and the first error of one of these."""

    headers: tuple[InputHeader, ...]
    refused: tuple[QuarantineEntry, ...]
    first_error: Exception | None


def agreed_headers(
    recipe: Recipe, files: tuple[InputFile, ...], onto: ExistingDataset | None
) -> AgreedHeaders:
    """Opens each file and keeps those that agree with the dataset, or with the file that decides.

    A bad file is left out; the others are used.
    """
    writers = processes_that_write()
    opened: list[InputHeader] = []
    faults: dict[str, SourceError | MismatchError] = {}
    for file in files:
        try:
            _require_readable(file, writers)
            opened.append(_header(recipe, file, onto))
        except (SourceError, MismatchError) as error:
            faults[file.path] = error

    expected = _expected(recipe, opened, onto)
    headers: list[InputHeader] = []
    for header in opened:
        try:
            _require_same(header, expected)
            headers.append(header)
        except MismatchError as error:
            faults[header.file.path] = error

    refused = [file for file in files if file.path in faults]
    return AgreedHeaders(
        headers=tuple(headers),
        refused=tuple(
            QuarantineEntry(file.path, None, without_file(faults[file.path], file)) for file in refused
        ),
        first_error=faults[refused[0].path] if refused else None,
    )


def _require_readable(file: InputFile, writers: dict[Identity, str]) -> None:
    """Raises SourceError if the file has a fault, or if a process of this machine is writing it."""
    if file.fault:
        raise SourceError(f"{file.place}: {file.fault}")
    if not file.digest or not writers:
        return
    status = file.place.stat()
    writer = writers.get((status.st_dev, status.st_ino))
    if writer is not None:
        raise SourceError(
            f"{file.place}: {writer} has it open for writing; stop that process or wait, then run again"
        )


def _header(recipe: Recipe, file: InputFile, onto: ExistingDataset | None) -> InputHeader:
    with find(recipe.source).open_file(file.place, recipe) as opened:
        schema = onto.as_stored(opened.schema) if onto else opened.schema
        return InputHeader(file, schema, opened.rows, opened.schema.dtype)


@dataclass(frozen=True)
class _ExpectedHeader:
    """What the headers must agree with, as far as it is known, and the file or dataset that states it."""

    schema: Schema
    parameters: list[str] | None
    where: str


def _expected(
    recipe: Recipe, headers: list[InputHeader], onto: ExistingDataset | None
) -> _ExpectedHeader | None:
    """Finds what decides: the dataset that is added to, or one of the files; None if no file could be opened.

    The file that decides is the first one on the grid that the recipe expects, otherwise the first of all.
    """
    if onto is not None:
        return _ExpectedHeader(onto.schema, onto.parameters, "the dataset")
    if not headers:
        return None
    full = [header for header in headers if header.rows] or headers
    published = [header for header in full if header.schema.grid.shape == recipe.expected.grid]
    first = (published or full)[0]
    return _ExpectedHeader(first.schema, first.parameters, first.file.path)


def _require_same(header: InputHeader, expected: _ExpectedHeader | None) -> None:
    """Raises MismatchError if the file has another schema, or parameters with other names."""
    if expected is None:
        return

    schema, found = expected.schema, header.schema
    parameters = expected.parameters if header.parameters is None else header.parameters
    compared = (
        ("grid", schema.grid.shape, found.grid.shape),
        ("axes", schema.grid.axes, found.grid.axes),
        ("boundaries", _side_names(schema), _side_names(found)),
        ("dtype", schema.dtype, found.dtype),
        ("parameters", expected.parameters, parameters),
    )
    faults = [
        f"{word} {b}, expected {a} as in {expected.where}"
        for word, a, b in compared
        if a is not None and a != b
    ]
    if not faults and not _same_cells(schema.grid, found.grid):
        faults = [f"coordinates differ from those in {expected.where}"]
    if faults:
        raise MismatchError(f"{header.file.place}: {'; '.join(faults)}; build a dataset of its own from it")


def _same_cells(a: Grid, b: Grid) -> bool:
    """Whether coordinates agree within 1/1000 of the axis; files of one system may differ by rounding."""
    lengths = [max(values) - min(values) for values in a.coordinates]
    # An axis of one cell has no length of its own.
    tolerances = [1e-3 * (length or max(lengths)) for length in lengths]
    pairs = zip(a.coordinates, b.coordinates, tolerances, strict=True)
    return all(np.allclose(x, y, rtol=0, atol=tolerance) for x, y, tolerance in pairs)


def _side_names(schema: Schema) -> list[list[str]]:
    return [[lower.name.lower(), upper.name.lower()] for lower, upper in schema.boundaries]


def without_file(error: Exception, file: InputFile) -> str:
    """Describes what is wrong with a file, without the path of the file; of an array, its name stays."""
    words = str(error).replace(f"{file.place}: ", "")
    return words.removeprefix(f"{file.place}:").replace(str(file.place), file.path)
