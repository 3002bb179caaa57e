"""Forecasts as files that other programs read: NetCDF4 (which is HDF5) and zarr, in the style of CF.

A frame is written as it comes; the file shows under its name when it is whole. The reasons are in
docs/decisions/0062-forecast-files.md.

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
    """One step [C, *S] in physical units, and the spread of an ensemble."""

    mean_CS: Frames
    spread_CS: Frames | None


@dataclass(frozen=True)
class Described:
    """What the frames are: schema, time of each step [T], draws of the ensemble, attributes of the file."""

    schema: Schema
    times: tuple[float, ...]
    draws: int
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Written:
    """The steps that are in the file, and the channels that were not finite in the next one."""

    steps: int
    not_finite: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Column:
    """A variable or coordinate to write: dimensions, attributes, and values where they are known."""

    name: str
    dims: tuple[str, ...]
    attributes: dict[str, Any]
    values: Frames | None = None


class FrameWriter(Protocol):
    """An open file that takes one step after the other."""

    def write(self, step: int, name: str, values_S: Frames) -> None: ...

    def finish(self, times: tuple[float, ...]) -> None: ...


def suffix_of(out: Path) -> str:
    """The suffix, which says the format; raises SettingsError for one that is none."""
    if out.suffix not in SUFFIXES:
        raise SettingsError(
            f"{out}: found {out.suffix or 'no suffix'}; expected one of {', '.join(SUFFIXES)}"
        )
    return out.suffix


def write_forecast(out: Path, described: Described, frames: Iterator[ForecastFrame]) -> Written:
    """Writes the frames until one is not finite; a file of that name is replaced, a zarr folder is not.

    Raises SettingsError where the folder is there, ShardError where the disk is full.
    """
    suffix = suffix_of(out)
    if suffix == ".zarr" and out.exists():
        raise SettingsError(f"{out}: exists already; name another file, or remove it")
    # A name that nobody can have put a link at: netCDF and zarr would write through it.
    temporary = out.with_name(f"{TEMPORARY}{secrets.token_hex(6)}-{out.name}")
    try:
        with full_disk_is_an_error(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            opened = _zarr(temporary, described) if suffix == ".zarr" else _netcdf(temporary, described)
            with opened as writer:
                written = _write_frames(writer, described, frames)
                writer.finish(described.times[: written.steps])
            temporary.replace(out)
            settle(out.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return written


def _write_frames(writer: FrameWriter, described: Described, frames: Iterator[ForecastFrame]) -> Written:
    """Write frame after frame; stop before the first that is not finite, and say in which channels."""
    channels = described.schema.channels
    for step, frame in enumerate(frames):
        bad = tuple(
            name
            for name, values in zip(channels, frame.mean_CS, strict=True)
            if not np.isfinite(values).all()
        )
        if bad:
            return Written(step, bad)
        for number, name in enumerate(channels):
            writer.write(step, name, frame.mean_CS[number])
            if frame.spread_CS is not None:
                writer.write(step, f"{name}_spread", frame.spread_CS[number])
    return Written(len(described.times))


def _columns(described: Described) -> list[Column]:
    """Coordinates with their values, then the variables."""
    schema = described.schema
    unit = _unit(schema.units.get("time", ""))
    name = "time" if unit else "time, in the unit of the source"
    columns = [Column("time", ("time",), {"long_name": name, "axis": "T"} | unit)]
    columns += _axes(schema)
    dims = ("time", *schema.grid.axes)
    for field in schema.variable_fields:
        for name in field.components(schema.grid.axes):
            spread = {"ancillary_variables": f"{name}_spread"} if described.draws > 1 else {}
            columns.append(
                Column(name, dims, _unit(field.unit) | {"long_name": f"forecast of {name}"} | spread)
            )
            if described.draws > 1:
                words = f"standard deviation of {name} over {described.draws} draws of the patch jitter"
                columns.append(Column(f"{name}_spread", dims, _unit(field.unit) | {"long_name": words}))
    return columns


def _axes(schema: Schema) -> list[Column]:
    """The centres and the widths of the cells."""
    grid, columns = schema.grid, []
    for axis, centres, widths in zip(grid.axes, grid.coordinates, grid.widths, strict=True):
        letter = {"axis": axis.upper()} if axis in ("x", "y", "z") else {}
        words = {"long_name": f"cell centres along {axis}, {grid.kind} grid"}
        unit = _unit(schema.units.get(axis, ""))
        columns.append(Column(axis, (axis,), words | letter | unit, np.array(centres)))
        words = {"long_name": f"cell widths along {axis}"}
        columns.append(Column(f"{axis}_width", (axis,), words | unit, np.array(widths)))
    return columns


def _unit(unit: str) -> dict[str, str]:
    return {"units": unit} if unit else {}


@dataclass(frozen=True, eq=False)
class _NetCDF:
    """An open NetCDF4 file."""

    file: Any

    def write(self, step: int, name: str, values_S: Frames) -> None:
        self.file[name][step] = values_S

    def finish(self, times: tuple[float, ...]) -> None:
        self.file["time"][:] = times


@contextmanager
def _netcdf(path: Path, described: Described) -> Iterator[_NetCDF]:
    """A NetCDF4 file with its coordinates written and its fields ready for frames; raises OSError where the
    disk fails.
    """
    import netCDF4

    _try_disk(path)
    try:
        opened: Any = netCDF4.Dataset(path, "w", format="NETCDF4")
        with opened as file:
            _define(file, described)
            yield _NetCDF(file)
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


def _define(file: Any, described: Described) -> None:
    """Dimensions, variables and attributes; coordinates with their values."""
    file.setncatts({"Conventions": CONVENTIONS} | described.attributes)
    file.createDimension("time", None)
    grid = described.schema.grid
    for axis, size in zip(grid.axes, grid.shape, strict=True):
        file.createDimension(axis, size)
    for column in _columns(described):
        is_field = len(column.dims) > 1
        chunks = {"chunksizes": (1, *grid.shape), "compression": "zlib", "complevel": 1} if is_field else {}
        variable = file.createVariable(column.name, "f4" if is_field else "f8", column.dims, **chunks)
        variable.setncatts(column.attributes)
        if column.values is not None:
            variable[:] = column.values


@dataclass(frozen=True, eq=False)
class _Zarr:
    """An open zarr group, whose fields have room for all steps."""

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
def _zarr(path: Path, described: Described) -> Iterator[_Zarr]:
    """A zarr group with its coordinates written and its fields ready for frames."""
    import zarr

    grid, steps = described.schema.grid, len(described.times)
    sizes = {"time": steps} | dict(zip(grid.axes, grid.shape, strict=True))
    columns = _columns(described)
    group = zarr.open_group(path, mode="w", attributes={"Conventions": CONVENTIONS} | described.attributes)
    for column in columns:
        shape = tuple(sizes[name] for name in column.dims)
        is_field = len(column.dims) > 1
        array = group.create_array(
            column.name,
            shape=shape,
            dtype="float32" if is_field else "float64",
            chunks=(1, *grid.shape) if is_field else shape,
            dimension_names=column.dims,
            attributes=column.attributes,
        )
        if column.values is not None:
            array[:] = column.values
    yield _Zarr(group, tuple(column.name for column in columns if len(column.dims) > 1))
