"""Every file of the larger sample set, built in both packagings and held against h5py, numpy and
expected.json alone.

What is expected is worked out here and by none of our readers: shards are opened by zarr, tars by tarfile.
Axes: N trajectory, T time, C channel, S space.
"""

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.catalogue import find_recipe
from ingest.recipe import CoordinateRule, Correction, Recipe, TimeRule
from shards.card import Card
from shards.program.settings import dump_toml, make
from shards.read import Dataset
from shards.schema import SPLITS
from shards.trajectory_document import TrajectoryDocument
from shards.verify import faults

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
MEMORY = Path("/dev/shm")
PERIODIC, OPEN, BOX = ("periodic", "periodic"), ("open", "open"), ("wall", "wall")
CODES = {"wall": 0, "open": 1, "periodic": 2}
Read = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Stored:
    """Channels that lie in one dataset: `at` is its name, with the number of the row where each row has its
    own.

    `layout` are its axes; `made` is what becomes of its values [N, T, *S] before they are those of the
    channel.
    """

    at: str
    layout: str
    channels: str
    made: Callable[[np.ndarray], np.ndarray] | None = None

    def values(self, read: Read, row: int, axes: str) -> np.ndarray:
        """[T, C, *S] of one row; a constant field gives [1, C, *S]."""
        array, layout = read(self.at.format(row)), self.layout.replace(" ", "")
        if "n" in layout:
            array, layout = array.take(row, layout.index("n")), layout.replace("n", "")
        for missing in set("tc") - set(layout):
            array, layout = array[None], missing + layout
        array = array.transpose([layout.index(axis) for axis in "tc" + axes])
        return array if self.made is None else self.made(array)


@dataclass(frozen=True)
class Sample:
    """What is built from where, and what must come of it; functions take what reads a dataset, and the
    row.
    """

    name: str
    recipe: Callable[[], Recipe]
    start: str
    files: tuple[tuple[str, int], ...]
    counts: tuple[int, int, int]
    sides: tuple[tuple[str, str], ...]
    stored: tuple[Stored, ...]
    time: Callable[[Read, int], Any]
    centres: Callable[[Read], Any]
    scalars: Callable[[Read, int, str], dict[str, float]] = lambda read, row, file: {}
    constant: tuple[Stored, ...] = ()
    dtype: str = "f4"
    skipped: int = 0

    @property
    def axes(self) -> str:
        return "".join(self.recipe().axes)


def own(name: str, source: str, axes: str, sides: tuple, fields: str, **more: Any) -> Callable[[], Recipe]:
    """A recipe in a line: `name:rank=stored+stored`, a constant field marked by `!` and the axes of its
    array.
    """
    tables = []
    for word in fields.split():
        head, _, stored = word.partition("=")
        head, constant, layout = head.partition("!")
        field, _, rank = head.partition(":")
        tables.append(
            {"name": field, "rank": int(rank or 0), "constant": bool(constant), "layout": " ".join(layout)}
        )
        tables[-1] |= {"stored": stored.split("+")} if stored else {}
    boundaries = {axis: list(pair) for axis, pair in zip(axes, sides, strict=bool(sides))}
    common = {"name": name, "source": source, "title": name, "axes": list(axes), "fields": tables}
    return lambda: make(Recipe, common | {"boundaries": boundaries} | more, "a recipe of the tests")


def unit(axes: str) -> dict[str, dict[str, float]]:
    return {axis: {"lower": 0.0, "upper": 1.0} for axis in axes}


def even(lower: float, upper: float, cells: int) -> np.ndarray:
    return lower + (np.arange(cells) + 0.5) * (upper - lower) / cells


def face_means(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    """Of values on lower faces of [T, C, x, y]: half a cell's own face, half the next, and nothing through
    the wall.
    """

    def centred(faces: np.ndarray) -> np.ndarray:
        upper = np.zeros_like(faces)
        along, shifted = np.moveaxis(faces, axis, 0), np.moveaxis(upper, axis, 0)
        for cell in range(len(along) - 1):
            shifted[cell] = along[cell + 1]
        return 0.5 * faces + 0.5 * upper

    return centred


def well(name: str, files: dict[str, int], sides: tuple, ranks: dict[str, int], **more: Any) -> Sample:
    """A sample in The Well's tree; fields in the order of the recipe."""
    axes = "xyz"[: len(sides)]
    space = " ".join(axes)
    stored = []
    for field, rank in ranks.items():
        channels = " ".join(f"{field}_{axis}" for axis in axes) if rank else field
        stored.append(Stored(f"t{rank}_fields/{field}", f"n t {space}" + " c" * rank, channels))
    known = more.pop("recipe", None) or own(
        name, "well", axes, sides, " ".join(f"{f}:{r}" for f, r in ranks.items())
    )
    folder = f"well/{name}"
    return Sample(
        name,
        known,
        folder,
        tuple((f"data/train/{file}.hdf5", rows) for file, rows in files.items()),
        (sum(files.values()), 0, 0),
        sides,
        tuple(stored),
        time=lambda read, row: read("dimensions/time"),
        centres=lambda read: [read(f"dimensions/{axis}") for axis in axes],
        **more,
    )


def parameters(*names: str) -> Callable[[Read, int, str], dict[str, float]]:
    return lambda read, row, file: {name: float(read(f"scalars/{name}")) for name in names}


def pdebench(
    name: str, recipe: Callable[[], Recipe], file: str, rows: int, axes: str, mach: float, counts
) -> Sample:
    space = " ".join(axes)
    channels = {
        "density": "density",
        "pressure": "pressure",
        **{f"V{axis}": f"velocity_{axis}" for axis in axes},
    }
    return Sample(
        name,
        recipe,
        f"pdebench/{file}",
        ((file, rows),),
        counts,
        (PERIODIC,) * len(axes),
        tuple(Stored(at, f"n t {space}", channel) for at, channel in channels.items()),
        time=lambda read, row: read("t-coordinate")[: len(read("density")[0])],
        centres=lambda read: [read(f"{axis}-coordinate") for axis in axes],
        scalars=lambda read, row, where: {"M": mach, "eta": 1e-8, "zeta": 1e-8},
    )


def seeds(name: str, file: str, axes: str, layout: str, channels: str) -> Sample:
    """A group of PDEBench for each seed."""
    fields = " ".join(
        f"{channel}=*/data" + (f"[{number}]" if " " in channels else "")
        for number, channel in enumerate(channels.split())
    )
    sides = (OPEN,) * len(axes)
    grid = {axis: {"stored": f"*/grid/{axis}"} for axis in axes}
    recipe = own(
        name, "arrays", axes, sides, fields, layout=layout, time={"stored": "*/grid/t"}, coordinates=grid
    )
    return Sample(
        name,
        recipe,
        f"pdebench/{file}",
        ((file, 3),),
        (1, 1, 1),
        sides,
        (Stored("{:04d}/data", layout, channels),),
        time=lambda read, row: read(f"{row:04d}/grid/t"),
        centres=lambda read: [read(f"0000/grid/{axis}") for axis in axes],
    )


def pdearena(file: str, rows: int) -> Sample:
    cells = (32, 24) if rows == 32 else (32, 32)
    return Sample(
        f"smoke_{rows}",
        lambda: find_recipe("pdearena_conditioned_ins"),
        f"pdearena/{file}",
        ((file, rows),),
        (rows, 0, 0),
        (BOX, BOX),
        (
            Stored("train/u", "n t x y", "tracer"),
            Stored("train/vx", "n t x y", "velocity_x", face_means(2)),
            Stored("train/vy", "n t x y", "velocity_y", face_means(3)),
        ),
        time=lambda read, row: read("train/t")[row, 0] + np.arange(7) * read("train/dt")[row],
        centres=lambda read: [even(0, 32, length) for length in cells],
        scalars=lambda read, row, where: {"buo_y": read("train/buo_y")[row]},
    )


BOILING = (
    ("dfun", "temperature", "velx", "vely"),
    ("gas-interface-sdf", "temperature", "velocity_x", "velocity_y"),
)


def bubbleml(
    name: str, change: dict, start: str, files: tuple[str, ...], counts, dtype: str, scalars, centres
) -> Sample:
    return Sample(
        name,
        lambda: replace(find_recipe("bubbleml_poolboiling_subcooled"), **change),
        start,
        tuple((file, 1) for file in files),
        counts,
        (BOX, ("wall", "open")),
        tuple(Stored(at, "t y x", channel) for at, channel in zip(*BOILING, strict=True)),
        time=lambda read, row: np.arange(len(read("dfun"))) * 0.1,
        centres=centres,
        scalars=scalars,
        dtype=dtype,
    )


def boiling_parameters(read: Read, row: int, file: str) -> dict[str, float]:
    degrees = float(file.removesuffix(".hdf5").partition("_")[2])
    entry = json.loads((SAMPLES / "bubbleml/v2/parameters.json").read_text())[{90: 0, 101: 1}[int(degrees)]]
    names = ("inv_reynolds", "cpgas", "mugas", "rhogas", "thcogas", "stefan", "prandtl")
    heater = {f"heater-{name}": entry["heater"][name] for name in ("nucWaitTime", "wallTemp")}
    return {"Twall": degrees, **{name: entry[name] for name in names}, **heater}


def flow_past_object(letter: str, frames: int) -> Sample:
    file = f"flow_past_object_{letter}.npz"
    recipe = own(
        f"tensor_{letter}", "arrays", "xy", (OPEN, OPEN), "velocity:1=data[0]+data[1] pressure=data[2]",
        layout="n t c x y", time={"step": 0.05}, coordinates=unit("xy"),
    )  # fmt: skip
    return Sample(
        f"tensor_{letter}", recipe, f"flowbench/{file}", ((file, 2),), (2, 0, 0), (OPEN, OPEN),
        (Stored("data", "n t c x y", "velocity_x velocity_y pressure"),),
        time=lambda read, row: np.arange(frames) * 0.05,
        centres=lambda read: [even(0, 1, 48), even(0, 1, 24)],
        dtype="f8",
    )  # fmt: skip


ACOUSTIC = "acoustic_scattering_discontinuous"
GRAY_SCOTT = "gray_scott_reaction_diffusion"
ONE_SIDED = ("wall", "open")
FLOW = find_recipe("flowbench_harmonics")
SET = (
    well(
        ACOUSTIC, {f"{ACOUSTIC}_chunk_0": 3}, (ONE_SIDED, ONE_SIDED), {"pressure": 0, "velocity": 1},
        recipe=lambda: find_recipe(ACOUSTIC),
        constant=(
            Stored("t0_fields/density", "n x y", "zeros_like_density", np.zeros_like),
            Stored("t0_fields/speed_of_sound", "n x y", "speed_of_sound"),
        ),
    ),
    well(
        GRAY_SCOTT,
        {f"{GRAY_SCOTT}_bubbles_F_0.098_k_0.057": 3, f"{GRAY_SCOTT}_gliders_F_0.014_k_0.054": 3},
        (PERIODIC, PERIODIC), {"A": 0, "B": 0},
        recipe=lambda: find_recipe(GRAY_SCOTT), scalars=parameters("F", "k"),
    ),
    well(
        "shear_flow",
        {"shear_flow_Reynolds_1e3_Schmidt_5e-01": 2, "shear_flow_Reynolds_5e2_Schmidt_1e0": 2},
        (PERIODIC, PERIODIC), {"tracer": 0, "pressure": 0, "velocity": 1},
        recipe=lambda: find_recipe("shear_flow"), scalars=parameters("Reynolds", "Schmidt"),
    ),
    well(
        "mixing_layer_2D", {"mixing_layer_tcool_0.03": 2}, (PERIODIC, OPEN),
        {"pressure": 0, "velocity": 1, "density": 0}, scalars=parameters("tcool"),
    ),
    well(
        "blast_wave_3D", {"blast_wave_3D_0": 1}, (OPEN, OPEN, OPEN),
        {"temperature": 0, "density": 0, "velocity": 1, "pressure": 0},
    ),
    pdebench(
        "cns3d", lambda: find_recipe("pdebench_cns3d_random"),
        "3D_CFD_Rand_M1.0_Eta1e-08_Zeta1e-08_periodic_16_Train.hdf5", 2, "xyz", 1.0, (2, 0, 0),
    ),
    pdebench(
        "cns2d", own("cns2d", "pdebench", "xy", (PERIODIC,) * 2, "density pressure velocity:1=Vx+Vy"),
        "2D_CFD_Rand_M0.1_Eta1e-08_Zeta1e-08_periodic_32_Train.hdf5", 4, "xy", 0.1, (2, 1, 1),
    ),
    seeds("diffusion_sorption", "1D_diff-sorp_NA_NA.h5", "x", "t x c", "concentration"),
    seeds("diffusion_reaction", "2D_diff-react_NA_NA.h5", "xy", "t y x c", "activator inhibitor"),
    seeds("radial_dam_break", "2D_rdb_NA_NA.h5", "xy", "t x y c", "height"),
    Sample(
        "ns_sim_2d",
        own(
            "ns_sim_2d", "arrays", "xy", (BOX, BOX), "velocity:1 tracer=particles force:1!nxyc",
            layout="n t x y c", time={"stored": "t"}, coordinates=unit("xy"),
        ),
        "pdebench/ns_sim_2d-1.h5", (("ns_sim_2d-1.h5", 2),), (2, 0, 0), (BOX, BOX),
        (
            Stored("velocity", "n t x y c", "velocity_x velocity_y"),
            Stored("particles", "n t x y c", "tracer"),
        ),
        time=lambda read, row: read("t")[row],
        centres=lambda read: [even(0, 1, 32)] * 2,
        constant=(Stored("force", "n x y c", "force_x force_y"),),
    ),
    pdearena("NavierStokes2D_train_452245_0.50000_4.h5", 4),
    pdearena("NavierStokes2D_train_198010_0.22194_32.h5", 32),
    Sample(
        "maxwell",
        own(
            "maxwell", "arrays", "xyz", (PERIODIC,) * 3, "D:1=train/d_field H:1=train/h_field",
            layout="n t x y z c", time={"start": 2.0, "step": 0.5}, coordinates=unit("xyz"),
        ),
        "pdearena/Maxwell3D_train_61749_2.h5", (("Maxwell3D_train_61749_2.h5", 2),), (2, 0, 0),
        (PERIODIC,) * 3,
        (
            Stored("train/d_field", "n t x y z c", "D_x D_y D_z"),
            Stored("train/h_field", "n t x y z c", "H_x H_y H_z"),
        ),
        time=lambda read, row: 2 + np.arange(8) * 0.5,
        centres=lambda read: [even(0, 1, 12)] * 3,
        dtype="f8",
    ),
    Sample(
        "ce_rm",
        # Of five channels the sample holds four.
        lambda: replace(find_recipe("pdegym_ce_rm"), fields=find_recipe("pdegym_ce_rm").fields[:-1]),
        "pdegym", (("CE-RM.nc", 2),), (2, 0, 0), (PERIODIC, PERIODIC),
        (Stored("solution", "n t c x y", "density velocity_x velocity_y pressure"),),
        time=lambda read, row: np.linspace(0, 2, 11),
        centres=lambda read: [even(0, 1, 48)] * 2,
    ),
    bubbleml(
        "boiling_v2", {}, "bubbleml/v2", ("Twall_90.hdf5", "Twall_101.hdf5"), (2, 0, 0), "f4",
        boiling_parameters,
        lambda read: [read("x_centers"), read("y_centers")],
    ),
    bubbleml(
        "boiling_v1", {"time": TimeRule(step=0.1), "scalars": {}},
        "bubbleml/v1", ("Twall-97.hdf5",), (1, 0, 0), "f8",
        lambda read, row, file: {"Twall": 97.0}, lambda read: [read("x")[0, 0], read("y")[0, :, 0]],
    ),
    bubbleml(
        "boiling_real",
        {
            "time": TimeRule(step=0.1), "scalars": {}, "leave_out": (),
            "coordinates": {"x": CoordinateRule(lower=-8, upper=8), "y": CoordinateRule(lower=0, upper=16)},
        },
        "bubbleml/v2_real/sample_2.hdf5", ("sample_2.hdf5",), (1, 0, 0), "f4",
        lambda read, row, file: {}, lambda read: [even(-8, 8, 64), even(0, 16, 64)],
    ),
    Sample(
        "flowbench",
        # The sample has no geometry next to its runs.
        lambda: replace(FLOW, fields=tuple(field for field in FLOW.fields if field.name != "mask")),
        "flowbench/FPO_NS_2D", (("harmonics/1/Re_100.npz", 1), ("harmonics/2/Re_200.npz", 1)), (2, 0, 0),
        (OPEN, OPEN),
        (Stored("data", "t y x c", "velocity_x velocity_y pressure", lambda values: values[2:]),),
        time=lambda read, row: np.arange(2, 12) * 0.05,
        centres=lambda read: [even(4, 20, 48), even(6, 10, 24)],
        scalars=lambda read, row, file: {"Reynolds": float(Path(file).stem[3:])},
        skipped=2,
    ),
    flow_past_object("X", 4),
    flow_past_object("Y", 6),
)  # fmt: skip


def reader(path: Path) -> Read:
    """What reads a dataset of a file, once."""
    held: dict[str, np.ndarray] = {}

    def read(name: str) -> np.ndarray:
        if name not in held:
            with np.load(path) if path.suffix == ".npz" else h5py.File(path, locking=False) as file:
                held[name] = file[name][()]
        return held[name]

    return read


@dataclass(frozen=True)
class Row:
    """One trajectory: what it must be, [T, C, *S] and [C, *S], and its group as zarr opens it."""

    file: str
    number: int
    read: Read
    frames: np.ndarray
    constant: np.ndarray | None
    group: zarr.Group

    @property
    def split(self) -> str:
        return self.group.store_path.store.root.parent.name

    @property
    def document(self) -> dict[str, Any]:
        return self.group.attrs["walrus"]

    def found(self) -> np.ndarray:
        """[T, C, *S] in physical units."""
        return _physical(self.group["fields"][...], self.document["scale"], 1)

    def found_constant(self) -> np.ndarray:
        """[C, *S]"""
        return _physical(self.group["static"][...], self.document["static_scale"], 0)


def _physical(values: np.ndarray, scale: list[float], channel: int) -> np.ndarray:
    return np.moveaxis(np.moveaxis(values, channel, -1) * np.array(scale, values.dtype), -1, channel)


@dataclass(frozen=True)
class Built:
    """One sample in both packagings."""

    sample: Sample
    zarr: Path
    tars: Path
    rows: tuple[Row, ...]


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> Iterator[Path]:
    """In memory where there is a disk for it: a build waits for each of its files."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path_factory.getbasetemp()) as place:
        yield Path(place)


@pytest.fixture(scope="module", params=SET, ids=lambda sample: sample.name)
def built(request, roots) -> Built:
    if not SAMPLES.exists():
        pytest.skip("the larger sample set is not next to the repository")
    sample, root = request.param, roots / request.param.name
    folders = [
        build(
            plan_build(sample.recipe(), SAMPLES / sample.start, kind, "lz4"), root / kind, Resources(1)
        ).folder
        for kind in ("zarr", "webdataset")
    ]
    groups = {}
    for path in (place for split in SPLITS for place in (folders[0] / split).glob("*/")):
        group = zarr.open_group(path, mode="r")
        origin = group.attrs["walrus"]["trajectory"]["origin"]
        groups[origin["file"], origin["row"]] = group
    expected = [(file, row) for file, count in sample.files for row in range(count)]
    assert sorted(groups) == sorted(expected)
    readers = {file: reader(place_of(sample, file)) for file, _ in sample.files}
    rows = (_row(sample, file, number, readers[file], groups[file, number]) for file, number in expected)
    return Built(sample, *folders, tuple(rows))


def place_of(sample: Sample, file: str) -> Path:
    start = SAMPLES / sample.start
    return start if start.is_file() else start / file


def _row(sample: Sample, file: str, number: int, read: Read, group: zarr.Group) -> Row:
    frames, constant = (
        [stored.values(read, number, sample.axes).astype(sample.dtype) for stored in fields]
        for fields in (sample.stored, sample.constant)
    )
    return Row(
        file,
        number,
        read,
        np.concatenate(frames, 1),
        np.concatenate(constant, 1)[0] if constant else None,
        group,
    )


def names(fields: tuple[Stored, ...]) -> list[str]:
    return " ".join(stored.channels for stored in fields).split()


def test_both_packagings_are_whole_and_equal_to_the_source_bit_for_bit(built):
    for folder in (built.zarr, built.tars):
        dataset = Dataset(folder)
        assert list(faults(dataset)) == []
        assert list(source_faults(dataset, SAMPLES / built.sample.start)) == []
        assert dataset.card.quarantine == ()
        assert dataset.card.errors == {}


def test_a_tar_holds_the_objects_of_the_zarr_groups(built):
    objects = {"fields": "fields/c/0" + "/0" * (1 + len(built.sample.axes))}
    objects |= {"static": "static/c/0" + "/0" * len(built.sample.axes)} if built.sample.constant else {}
    objects |= {"boundary": "boundary/c" + "/0" * len(built.sample.axes)}
    held = {}
    for path in sorted(built.tars.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                held[path.parent.name, member.name] = tar.extractfile(member).read()
    for row in built.rows:
        folder = row.group.store_path.store.root
        for name, place in objects.items():
            assert held[row.split, f"{folder.name}.{name}.shard"] == (folder / place).read_bytes()


def test_zarr_reads_what_h5py_and_numpy_read(built):
    for row in built.rows:
        found = row.found()
        assert found.dtype == row.frames.dtype
        np.testing.assert_array_equal(found, row.frames)
        assert (row.document["channels"], row.document["static_channels"]) == (
            names(built.sample.stored),
            names(built.sample.constant),
        )
        if row.constant is not None:
            np.testing.assert_array_equal(row.found_constant(), row.constant)


def test_times_cells_and_parameters_are_those_of_the_source(built):
    sample = built.sample
    for row in built.rows:
        np.testing.assert_allclose(row.group["time"][...], sample.time(row.read, row.number), rtol=1e-12)
        centres = [row.group[axis][...] for axis in sample.axes]
        for found, expected in zip(centres, sample.centres(row.read), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        assert row.document["trajectory"]["scalars"] == sample.scalars(row.read, row.number, row.file)


def test_only_the_outermost_cells_are_marked_by_what_closes_their_side(built):
    sample = built.sample
    shape = built.rows[0].frames.shape[2:]
    bits = np.zeros(shape, int)
    for cell in np.ndindex(shape):
        for place, length, (lower, upper) in zip(cell, shape, sample.sides, strict=True):
            bits[cell] |= 2 ** CODES[lower] if place == 0 else 0
            bits[cell] |= 2 ** CODES[upper] if place == length - 1 else 0
    for row in built.rows:
        np.testing.assert_array_equal(row.group["boundary"][...], bits)
        assert row.document["boundaries"] == [[CODES[lower], CODES[upper]] for lower, upper in sample.sides]


def test_the_card_counts_and_measures_what_trains(built):
    card, sample = Dataset(built.zarr).card, built.sample
    of = {split: [row.frames for row in built.rows if row.split == split] for split in SPLITS}
    assert tuple(card.counts[split].trajectories for split in SPLITS) == sample.counts
    assert [card.counts[split].frames for split in SPLITS] == [sum(map(len, of[split])) for split in SPLITS]
    assert list(card.moments) == names(sample.stored) + names(sample.constant)
    for number, name in enumerate(names(sample.stored)):
        values = np.concatenate([frames[:, number].ravel() for frames in of["train"]]).astype("f8")
        steps = np.concatenate(
            [np.diff(frames[:, number].astype("f8"), axis=0).ravel() for frames in of["train"]]
        )
        require_moments(card, name, values, float(np.sqrt(np.mean(steps**2))))
    for number, name in enumerate(names(sample.constant)):
        values = np.concatenate([row.constant[number].ravel() for row in built.rows if row.split == "train"])
        require_moments(card, name, values.astype("f8"), 0.0)


def require_moments(card: Card, name: str, values: np.ndarray, change: float) -> None:
    found = card.moments[name]
    assert (found.count, found.min, found.max) == (values.size, values.min(), values.max())
    exact = (values.mean(), values.std(), np.sqrt(np.mean(values**2)), change)
    near = pytest.approx(exact, rel=1e-10, abs=1e-12 * values.std())
    assert (found.mean, found.std, found.rms, found.change_rms) == near


def test_the_shards_have_the_numbers_that_were_written_down_for_the_files(built):
    """expected.json was made by another hand; what is skipped or averaged on the way is not compared."""
    written = json.loads((SAMPLES / "expected.json").read_text())
    compared = 0
    for fields, found in ((built.sample.stored, Row.found), (built.sample.constant, Row.found_constant)):
        channels = names(fields)
        for stored in (each for each in fields if each.made is None):
            picked = [channels.index(name) for name in stored.channels.split()]
            values: dict[tuple[str, str], list[np.ndarray]] = {}
            for row in built.rows:
                axis = 1 if fields is built.sample.stored else 0
                at = values.setdefault((row.file, stored.at.format(row.number)), [])
                at.append(found(row).take(picked, axis).ravel().astype("f8"))
            for (file, at), parts in values.items():
                place = place_of(built.sample, file).relative_to(SAMPLES).as_posix()
                entry = (written[place].get("datasets") or written[place]["arrays"])[at]
                whole = np.concatenate(parts)
                assert whole.size == np.prod(entry["shape"])
                assert (whole.min(), whole.max()) == (entry["min"], entry["max"])
                assert whole.mean() == pytest.approx(entry["mean"], rel=1e-9, abs=1e-9 * entry["std"])
                assert whole.std() == pytest.approx(entry["std"], rel=1e-9)
                compared += 1
    assert compared or built.sample.skipped


# Files that must not become shards, and what is said of them
# ----------------------------------------------------------

needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the larger sample set is not next to the repository"
)
GOOD = "2D_CFD_Rand_M0.1_Eta1e-08_Zeta1e-08_periodic_32_Train.hdf5"
BAD = {
    "constant_pressure": "row 0: pressure never changes",
    "cut_at_half": "truncated: 297108 of 594216 bytes",
    "external_link": "an external link to",
    "lfs_pointer": "found a git-LFS pointer",
    "no_boundary_conditions": "expected one array per variable at the root",
    "zstd_compressed": "needs HDF5 filter 32015",
}


@pytest.fixture
def flow_recipe(tmp_path) -> Path:
    """Of the compressible flow in 2D; its damaged files lost the name that tells the boundary."""
    periodic = {axis: ["periodic", "periodic"] for axis in "xy"}
    recipe = own("cns2d", "pdebench", "xy", (), "density pressure velocity:1=Vx+Vy")
    path = tmp_path / "flow.toml"
    path.write_text(
        dump_toml(asdict(replace(recipe(), correction=Correction("their names do not tell", periodic))))
    )
    return path


@needs_samples
def test_damaged_files_beside_a_good_one_are_left_out_and_told_one_by_one(command, flow_recipe, tmp_path):
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    for path in (SAMPLES / "pdebench" / GOOD, *(SAMPLES / "damaged").iterdir()):
        copyfile(path, source / path.name)
    result = command("build", flow_recipe, "--from", source, "--to", root, "--workers", 1)
    assert result.exit_code == 3
    told = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    has_zstd = find_spec("hdf5plugin") is not None
    for name, words in BAD.items():
        lines = [line for line in told if f"{name}.hdf5" in line]
        assert bool(lines) != (has_zstd and name == "zstd_compressed")
        assert not lines or words in lines[0]
    (broken,) = [line for line in told if "nan_in_last_sample" in line]
    assert "row 3: " in broken
    origins = [item.trajectory.origin for item in documents(root / "cns2d")]
    assert {origin.file for origin in origins} <= {GOOD, "nan_in_last_sample.hdf5", "zstd_compressed.hdf5"}
    assert sum(origin.file == GOOD for origin in origins) == 4
    assert command("verify", root / "cns2d", "--against-source", source).exit_code == 0


def documents(folder: Path) -> list[TrajectoryDocument]:
    dataset = Dataset(folder)
    return [dataset.document(entry) for entry in dataset.index.trajectories]


@needs_samples
@pytest.mark.parametrize("file", ["openpmd_femm_thetaMode.h5", "pyro2_acoustic_pulse_0160.h5"])
@pytest.mark.parametrize(
    "recipe",
    [
        "shear_flow",
        "pdebench_cns3d_random",
        "pdearena_conditioned_ins",
        "pdegym_ce_rm",
        "bubbleml_poolboiling_subcooled",
        "flowbench_skelenton",
    ],
)
def test_the_file_of_another_code_is_refused_in_one_line_by_every_source(command, tmp_path, recipe, file):
    path = SAMPLES / "other_layouts" / file
    result = command("build", recipe, "--from", path, "--to", tmp_path / "root", "--workers", 1)
    (line,) = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (1, "")
    assert file in line
    assert not (tmp_path / "root").exists()


@needs_samples
@pytest.mark.parametrize("letter", "XY")
def test_states_without_time_are_no_trajectories(command, tmp_path, letter):
    out = tmp_path / "cavity.toml"
    assert (
        command("inspect", SAMPLES / f"flowbench/lid_driven_cavity_{letter}.npz", "--recipe", out).exit_code
        == 0
    )
    assert "no attribute says which axis is time" in out.read_text()
    out.write_text(out.read_text().replace('# layout = "t c x y"', 'layout = "n c y x"'))
    result = command("build", out, "--from", SAMPLES / "flowbench", "--to", tmp_path / "root")
    assert result.exit_code == 1
    assert "expected an axis t, the time" in result.stderr
