"""What the files of a dataset say of themselves, and which of them agree.

What the recipe states, each file has been held to when it was opened. The rest (grid, type, sides that no one
states) must be the same in all: as in the dataset that they are added to, or as in the file that decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ingest.building.inputs import InputFile
from ingest.recipe import Recipe
from ingest.source import Row, find
from shards.card import KeptError, Quarantined
from shards.errors import MismatchError, SourceError
from shards.schema import DType, Grid, Schema, Split


@dataclass(frozen=True)
class Header:
    """What a file says of itself; its schema in the type that frames are stored in, `read_dtype` is the file's."""

    file: InputFile
    schema: Schema
    rows: tuple[Row, ...]
    read_dtype: DType

    @property
    def parameters(self) -> list[str] | None:
        """Names, unknown of a file without trajectories."""
        return sorted(self.rows[0].scalars) if self.rows else None


@dataclass(frozen=True)
class ExistingDataset:
    """A built dataset that a plan adds to: schema, powers, errors stay, keys are taken, parts are counted on.

    `parameters` are the names of those that each trajectory has, sorted.
    """

    schema: Schema
    parameters: list[str]
    powers: dict[str, int]
    errors: dict[str, KeptError]
    keys: frozenset[str]
    parts: dict[Split, int]

    def seen(self, schema: Schema) -> Schema:
        """The schema of a file, whose float64 is rounded where that of the dataset was."""
        rounds = self.errors and self.schema.dtype == "float32"
        return replace(schema, dtype="float32") if rounds else schema


def headers_of(
    recipe: Recipe, files: tuple[InputFile, ...], onto: ExistingDataset | None
) -> tuple[list[Header], list[Quarantined], Exception | None]:
    """Headers of the files that agree with the dataset, or with the file that decides, and the first error.

    A bad file stops nothing but itself.
    """
    opened: list[Header] = []
    faults: dict[str, SourceError | MismatchError] = {}
    for file in files:
        try:
            opened.append(_header(recipe, file, onto))
        except (SourceError, MismatchError) as error:
            faults[file.path] = error
    headers, expected = [], _expected(recipe, opened, onto)
    for header in opened:
        try:
            _require_same(header, *expected)
            headers.append(header)
        except MismatchError as error:
            faults[header.file.path] = error
    refused = [Quarantined(f.path, None, without_file(faults[f.path], f)) for f in files if f.path in faults]
    return headers, refused, next((faults[item.path] for item in refused), None)


def _header(recipe: Recipe, file: InputFile, onto: ExistingDataset | None) -> Header:
    with find(recipe.source).open_file(file.place, recipe) as opened:
        schema = onto.seen(opened.schema) if onto else opened.schema
        return Header(file, schema, opened.rows, opened.schema.dtype)


def _expected(
    recipe: Recipe, headers: list[Header], onto: ExistingDataset | None
) -> tuple[Schema | None, list[str] | None, str]:
    """Schema, names of parameters where known, and where they are from.

    What the recipe leaves open is as in the first file on the grid that it expects, or else in the first of
    all.
    """
    if onto is not None:
        return onto.schema, onto.parameters, "the dataset"
    if not headers:
        return None, None, "no file"
    full = [header for header in headers if header.rows] or headers
    published = [header for header in full if header.schema.grid.shape == recipe.expected.grid]
    first = (published or full)[0]
    return first.schema, first.parameters, first.file.path


def _require_same(header: Header, expected: Schema | None, parameters: list[str] | None, where: str) -> None:
    """Raises MismatchError where the file is of another schema, or has parameters of other names, where known."""
    found, expected = header.schema, expected or header.schema
    faults = [
        f"{word} {b}, expected {a} as in {where}"
        for word, a, b in (
            ("grid", expected.grid.shape, found.grid.shape),
            ("axes", expected.grid.axes, found.grid.axes),
            ("boundaries", _names(expected), _names(found)),
            ("dtype", expected.dtype, found.dtype),
            ("parameters", parameters, parameters if header.parameters is None else header.parameters),
        )
        if a is not None and a != b
    ]
    if not faults and not _same_cells(expected.grid, found.grid):
        faults = [f"coordinates other than in {where}"]
    if faults:
        raise MismatchError(f"{header.file.place}: {'; '.join(faults)}; ingest it as a dataset of its own")


def _same_cells(a: Grid, b: Grid) -> bool:
    """Equal coordinates, to a thousandth of their axis: files of one system may differ by rounding."""
    lengths = [max(values) - min(values) for values in a.coordinates]
    # An axis of one cell has no length of its own.
    tolerances = [1e-3 * (length or max(lengths)) for length in lengths]
    pairs = zip(a.coordinates, b.coordinates, tolerances, strict=True)
    return all(np.allclose(x, y, rtol=0, atol=tolerance) for x, y, tolerance in pairs)


def _names(schema: Schema) -> list[list[str]]:
    return [[side.name.lower() for side in sides] for sides in schema.boundaries]


def without_file(error: Exception, file: InputFile) -> str:
    """What is wrong with a file, in words that do not depend on where it lies."""
    return str(error).replace(f"{file.place}: ", "").replace(str(file.place), file.path)
