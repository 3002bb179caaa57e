"""Writes forecasts to files that other programs read: NetCDF4 (which is HDF5) and zarr, with CF metadata.

Each frame is written when it has been forecast. The file gets its name when it is complete. The reasons are
in docs/decisions/0062-forecast-files.md.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shards.disk import TEMPORARY, create_temporary, settle
from shards.errors import SettingsError
from shards.schema import Frames, Schema
from shards.write import full_disk_is_an_error

NETCDF = (".nc", ".nc4", ".h5", ".hdf5")
SUFFIXES = (*NETCDF, ".zarr")
CONVENTIONS = "CF-1.11"
# Bytes that are written to learn whether a disk takes any.
TRIED = 2**20


@dataclass(frozen=True)
class ForecastFrame:
    """One step [C, *S] in physical units; of an ensemble, the mean and the standard deviation."""

    mean_CS: Frames
    spread_CS: Frames | None


@dataclass(frozen=True)
class ForecastMetadata:
    """What a forecast file says about its frames.

    `times` [T] are those of the steps, `draws` is the size of the ensemble, `attributes` are those of the
    file.
    """

    schema: Schema
    times: tuple[float, ...]
    draws: int
    attributes: dict[str, Any]


@dataclass(frozen=True)
class WrittenSteps:
    """How many steps are in the file, and the channels that were not finite in the next step."""

    steps: int
    not_finite: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable or coordinate of the file: dimensions, attributes, and values if they are known already."""

    name: str
    dims: tuple[str, ...]
    attributes: dict[str, Any]
    values: Frames | None = None

    @property
    def is_field(self) -> bool:
        """Whether it has values at each step, on the grid."""
        return len(self.dims) > 1


class FrameWriter(Protocol):
    """An open file to which one step after the other is written."""

    def write(self, step: int, name: str, values_S: Frames) -> None:
        """Writes one channel [*S] of a step."""
        ...

    def finish(self, times: tuple[float, ...]) -> None:
        """Writes the times of the steps that were written."""
        ...


def suffix_of(out: Path) -> str:
    """The suffix, which decides the format; raises SettingsError for an unknown one, and for a zarr folder
    that exists.
    """
    if out.suffix not in SUFFIXES:
        raise SettingsError(
            f"{out}: found {out.suffix or 'no suffix'}; expected one of {', '.join(SUFFIXES)}"
        )
    if out.suffix == ".zarr" and out.exists():
        raise SettingsError(f"{out}: exists already; name another file, or remove it")
    return out.suffix


def write_forecast(out: Path, metadata: ForecastMetadata, frames: Iterator[ForecastFrame]) -> WrittenSteps:
    """Writes the frames, up to the first one that is not finite.

    An existing file is replaced; an existing zarr folder is not. Raises SettingsError if there is such a
    folder, ShardError if the disk is full.
    """
    suffix = suffix_of(out)
    # A random name, at which nobody can have placed a link: netCDF and zarr would write through it.
    temporary = out.with_name(f"{TEMPORARY}{secrets.token_hex(6)}-{out.name}")
    try:
        with full_disk_is_an_error(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            opened = _zarr(temporary, metadata) if suffix == ".zarr" else _netcdf(temporary, metadata)
            with opened as writer:
                written = _write_frames(writer, metadata, frames)
                writer.finish(metadata.times[: written.steps])
            temporary.replace(out)
            settle(out.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return written


def _write_frames(
    writer: FrameWriter, metadata: ForecastMetadata, frames: Iterator[ForecastFrame]
) -> WrittenSteps:
    """Writes frame after frame, and stops before the first one that is not finite."""
    channels = metadata.schema.channels
    for step, frame in enumerate(frames):
        bad = tuple(
            name
            for name, values in zip(channels, frame.mean_CS, strict=True)
            if not np.isfinite(values).all()
        )
        if bad:
            return WrittenSteps(step, bad)
        for number, name in enumerate(channels):
            writer.write(step, name, frame.mean_CS[number])
            if frame.spread_CS is not None:
                writer.write(step, f"{name}_spread", frame.spread_CS[number])
    return WrittenSteps(len(metadata.times))


def _variables(metadata: ForecastMetadata) -> list[Variable]:
    """Coordinates with their values, then the variables."""
    schema = metadata.schema
    unit = _unit(schema.units.get("time", ""))
    time = "time" if unit else "time, in the unit of the source"
    variables = [Variable("time", ("time",), {"long_name": time, "axis": "T"} | unit)]
    variables += _axes(schema)
    dims = ("time", *schema.grid.axes)
    for field in schema.variable_fields:
        for name in field.components(schema.grid.axes):
            spread = {"ancillary_variables": f"{name}_spread"} if metadata.draws > 1 else {}
            variables.append(
                Variable(name, dims, _unit(field.unit) | {"long_name": f"forecast of {name}"} | spread)
            )
            if metadata.draws > 1:
                words = f"standard deviation of {name} over {metadata.draws} draws of the patch jitter"
                variables.append(Variable(f"{name}_spread", dims, _unit(field.unit) | {"long_name": words}))
    return variables


def _axes(schema: Schema) -> list[Variable]:
    """The centres and the widths of the cells."""
    grid, variables = schema.grid, []
    for axis, centres, widths in zip(grid.axes, grid.coordinates, grid.widths, strict=True):
        letter = {"axis": axis.upper()} if axis in ("x", "y", "z") else {}
        unit = _unit(schema.units.get(axis, ""))
        of_centres = {"long_name": f"cell centres along {axis}, {grid.kind} grid"} | letter | unit
        of_widths = {"long_name": f"cell widths along {axis}"} | unit
        variables.append(Variable(axis, (axis,), of_centres, np.array(centres)))
        variables.append(Variable(f"{axis}_width", (axis,), of_widths, np.array(widths)))
    return variables


def _unit(unit: str) -> dict[str, str]:
    return {"units": unit} if unit else {}


@dataclass(frozen=True, eq=False)
class _NetCDFWriter:
    """An open NetCDF4 file."""

    file: Any

    def write(self, step: int, name: str, values_S: Frames) -> None:
        self.file[name][step] = values_S

    def finish(self, times: tuple[float, ...]) -> None:
        self.file["time"][:] = times


@contextmanager
def _netcdf(path: Path, metadata: ForecastMetadata) -> Iterator[_NetCDFWriter]:
    """A NetCDF4 file with its coordinates written and its fields ready for frames; raises OSError if the
    disk fails.
    """
    import netCDF4

    _try_disk(path)
    try:
        opened: Any = netCDF4.Dataset(path, "w", format="NETCDF4")
        with opened as file:
            _define(file, metadata)
            yield _NetCDFWriter(file)
    except RuntimeError as error:
        if not str(error).startswith("NetCDF: "):
            raise
        _try_disk(path)
        raise OSError(errno.EIO, str(error), str(path)) from error


def _try_disk(path: Path) -> None:
    """Writes next to the file: netCDF reports that it could not write, and not why."""
    tried, file = create_temporary(path)
    try:
        with file:
            file.write(bytes(TRIED))
            file.flush()
            os.fsync(file.fileno())
    finally:
        tried.unlink()


def _define(file: Any, metadata: ForecastMetadata) -> None:
    """Dimensions, variables and attributes; coordinates with their values."""
    file.setncatts({"Conventions": CONVENTIONS} | metadata.attributes)
    file.createDimension("time", None)
    grid = metadata.schema.grid
    for axis, size in zip(grid.axes, grid.shape, strict=True):
        file.createDimension(axis, size)
    of_fields: dict[str, Any] = {"chunksizes": (1, *grid.shape), "compression": "zlib", "complevel": 1}
    for variable in _variables(metadata):
        kind, storage = ("f4", of_fields) if variable.is_field else ("f8", {})
        array = file.createVariable(variable.name, kind, variable.dims, **storage)
        array.setncatts(variable.attributes)
        if variable.values is not None:
            array[:] = variable.values


@dataclass(frozen=True, eq=False)
class _ZarrWriter:
    """An open zarr group, whose fields have the length of all steps."""

    group: Any
    fields: tuple[str, ...]

    def write(self, step: int, name: str, values_S: Frames) -> None:
        self.group[name][step] = values_S.astype(np.float32)

    def finish(self, times: tuple[float, ...]) -> None:
        for name in ("time", *self.fields):
            array = self.group[name]
            array.resize((len(times), *array.shape[1:]))
        self.group["time"][:] = np.array(times)


@contextmanager
def _zarr(path: Path, metadata: ForecastMetadata) -> Iterator[_ZarrWriter]:
    """A zarr group with its coordinates written and its fields ready for frames."""
    import zarr

    grid, steps = metadata.schema.grid, len(metadata.times)
    sizes = {"time": steps} | dict(zip(grid.axes, grid.shape, strict=True))
    variables = _variables(metadata)
    group = zarr.open_group(path, mode="w", attributes={"Conventions": CONVENTIONS} | metadata.attributes)
    for variable in variables:
        shape = tuple(sizes[name] for name in variable.dims)
        array = group.create_array(
            variable.name,
            shape=shape,
            dtype="float32" if variable.is_field else "float64",
            chunks=(1, *grid.shape) if variable.is_field else shape,
            dimension_names=variable.dims,
            attributes=variable.attributes,
        )
        if variable.values is not None:
            array[:] = variable.values
    yield _ZarrWriter(group, tuple(variable.name for variable in variables if variable.is_field))
