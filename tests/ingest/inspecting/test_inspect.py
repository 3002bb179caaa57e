"""What inspect tells of files: those we know, those we do not, and those that are out to harm."""

import json
import os
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from ingest.contents.listing import ArrayInfo
from ingest.inspecting.inspect import Inspection, inspect
from ingest.inspecting.text import inspection_lines

SAMPLES = Path(__file__).parents[2] / "samples"
DAMAGED = SAMPLES / "damaged"
MORE = Path(__file__).parents[4] / "shared" / "samples"
needs_more = pytest.mark.skipif(
    not MORE.exists(), reason="the larger sample set is not next to the repository"
)
N, T, X, Y = 2, 4, 6, 5


def write(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def listed(found: Inspection) -> dict[str, ArrayInfo]:
    return {each.path: each for each in found.arrays}


@pytest.fixture
def told(command):
    """The text of the command on a file, proven to fit a terminal but for names and commands."""

    def call(path: object) -> str:
        result = command("inspect", path)
        assert result.exit_code == 0, result.stderr
        assert all(len(line) <= 100 for line in result.stdout.splitlines()[1:] if "walrus-ingest" not in line)
        return result.stdout

    return call


@pytest.mark.parametrize(
    ("folder", "source", "recipe"),
    [
        ("well/shear_flow", "well", "shear_flow"),
        ("well/gray_scott_reaction_diffusion", "well", "gray_scott_reaction_diffusion"),
        ("well/acoustic_scattering_discontinuous", "well", "acoustic_scattering_discontinuous"),
        ("well/MHD_64", "well", "MHD_64"),
        ("pdebench", "pdebench", "pdebench_cns3d_random"),
        ("pdearena", "pdearena", "pdearena_conditioned_ins"),
    ],
)
def test_every_sample_is_recognised_and_the_command_to_build_it_is_told(folder, source, recipe):
    paths = [path for pattern in ("*.h5", "*.hdf5") for path in (SAMPLES / folder).rglob(pattern)]
    assert paths
    for path in paths:
        found = inspect(path)
        first, *others = found.looks_like
        assert (first.source, first.recipes[0], first.nearest) == (source, recipe, None)
        assert not any(other.fits for other in others)
        assert f"walrus-ingest build {recipe} --from {path} --to ROOT" in inspection_lines(found)[-1]


def test_a_system_that_is_not_in_the_catalogue_is_still_of_its_source(told):
    (path,) = (SAMPLES / "held_out").glob("*.hdf5")
    text = told(path)
    assert "looks like   source pdebench: it holds t-coordinate" in text
    assert "none of the catalogue; the nearest is pdebench_cns3d_random, which says:" in text
    assert "lacks Vz" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("constant_pressure.hdf5", "the same everywhere"),
        ("nan_in_last_sample.hdf5", "2048 not finite"),
        ("zstd_compressed.hdf5", "Vx, Vy, density, pressure: needs HDF5 filter 32015"),
        ("no_boundary_conditions.hdf5", "no group gives the boundary of the lower side of x"),
    ],
)
def test_what_is_wrong_with_a_file_that_opens_is_told(told, name, words):
    assert words in told(DAMAGED / name)


def fails(command, *arguments: object) -> str:
    result = command("inspect", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut_at_half.hdf5", "truncated"),
        ("lfs_pointer.hdf5", "git lfs pull"),
        ("none.h5", "no such file or folder"),
    ],
)
def test_a_file_that_does_not_open_is_one_line(command, name, words):
    assert words in fails(command, DAMAGED / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"", "an empty file"),
        (b"PK\x03\x04 and no more", "not a complete zip archive"),
        (b"CDF\x01", "damaged header of classic NetCDF"),
    ],
)
def test_what_only_looks_like_data_is_named(command, tmp_path, content, words):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert words in fails(command, path)


def test_an_empty_folder_is_one_line(command, tmp_path):
    assert "found no file; expected HDF5" in fails(command, tmp_path)


def test_what_lies_outside_the_file_is_shown_beside_the_rest_and_not_followed(told, command, tmp_path):
    for name in ("secret.h5", "secret.bin"):
        os.mkfifo(tmp_path / name)  # opening it would wait for ever
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/u"] = np.ones((N, T, X))
        file["stolen"] = h5py.ExternalLink("secret.h5", "/u")
        file["deep/soft"] = h5py.SoftLink("/stolen/u")
        file.create_dataset("raw", (6,), "f4", external=str(tmp_path / "secret.bin"))
    text = " ".join(told(tmp_path / "a.h5").split())
    assert "u 2×4×6 float64" in text
    assert "the same everywhere" in text
    assert "stolen: an external link to /u in secret.h5" in text
    assert "raw: raw storage outside the file" in text
    assert "next copy raw, stolen into the file" in text
    command("inspect", tmp_path / "a.h5", "--recipe", tmp_path / "own.toml")
    drafted = (tmp_path / "own.toml").read_text()
    assert '"deep/u[0]"' in drafted
    assert "#   stolen: an external link to /u in secret.h5" in drafted


def test_commands_are_words_of_a_shell_and_after_a_draft_the_next_is_to_build(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "two waves.h5", u=np.random.default_rng(0).random((N, T, X)))
    told = command("inspect", "two waves.h5").stdout.splitlines()
    drafted = command("inspect", "two waves.h5", "--recipe", "two waves.toml")
    assert told[-3].split()[:3] == ["walrus-ingest", "inspect", "'two"]
    assert shlex.split(told[-1])[1:5] == ["build", "own.toml", "--from", "two waves.h5"]
    assert drafted.stderr == "drafted two waves.toml\n"
    assert drafted.stdout.splitlines()[-3:] == [
        "next         decide what the draft marks, and build:",
        "             $EDITOR 'two waves.toml'",
        "             walrus-ingest build 'two waves.toml' --from 'two waves.h5' --to ROOT",
    ]


def test_an_unknown_file_is_shown_as_a_tree_with_its_storage_and_numbers(tmp_path):
    values = np.linspace(-1, 3, T * X * Y).reshape(T, X, Y).astype("f4")
    values[0, 0, 0] = np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("run/flow/u", data=values, chunks=(1, X, Y), compression="gzip", shuffle=True)
        file.attrs["Re"], file.attrs["author"] = 40.0, "me"
    found = inspect(tmp_path / "a.h5")
    (only,) = found.arrays
    assert (only.path, only.shape, only.dtype, only.storage.chunks) == (
        "run/flow/u",
        (T, X, Y),
        "float32",
        (1, X, Y),
    )
    assert only.storage.filters == ("shuffle", "gzip")
    assert only.statistics is not None
    assert (only.statistics.read, only.statistics.not_finite) == (values.size, 1)
    finite = values.reshape(-1)[1:].astype("f8")
    expected = (finite.min(), finite.max(), finite.mean(), np.sqrt((finite**2).mean()))
    told = (only.statistics.minimum, only.statistics.maximum, only.statistics.mean, only.statistics.rms)
    np.testing.assert_allclose(told, expected, rtol=1e-12)
    assert found.attributes == {"Re": 40.0}
    assert not any(each.fits for each in found.looks_like)
    lines = inspection_lines(found)
    assert lines[2].split() == ["array", "shape", "type", "chunks", "filters", "in", "file", "in", "memory"]
    assert lines[3:5] == ["run/flow/", next(line for line in lines if line.startswith("  u"))]
    assert lines[4].split()[:4] == ["u", "4×6×5", "float32", "1×6×5"]


def test_the_same_arrays_are_listed_alike_from_every_kind_of_file(tmp_path):
    arrays = {"u": np.arange(T * X * Y, dtype="f4").reshape(T, X, Y), "t": np.arange(T, dtype="f8")}
    np.savez(tmp_path / "a.npz", **arrays)
    group = zarr.create_group(tmp_path / "a.zarr")
    for name, values in arrays.items():
        group.create_array(name, data=values)
    paths = [
        write(tmp_path / "a.h5", **arrays),
        tmp_path / "a.npz",
        tmp_path / "a.zarr",
        tmp_path / "a.zarr/zarr.json",
    ]
    found = [inspect(path) for path in paths]
    assert [each.kind for each in found] == ["HDF5", "npz", "zarr", "zarr"]
    headers = [[(a.path, a.shape, a.dtype, a.statistics) for a in each.arrays] for each in found]
    assert all(header == headers[0] for header in headers)


def test_groups_that_are_built_alike_are_shown_once(tmp_path):
    runs = {f"run_{number:03d}/{name}": np.zeros((T, X)) for number in range(40) for name in ("u", "v")}
    found = inspect(write(tmp_path / "a.h5", **runs, notes=np.zeros(3)))
    assert [(each.path, each.stored, each.groups) for each in found.arrays] == [
        ("notes", "notes", 1),
        ("run_000/u", "*/u", 40),
        ("run_000/v", "*/v", 40),
    ]
    assert "run_000/  and 39 more groups like run_000" in inspection_lines(found)


def test_of_a_large_array_three_blocks_are_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        large = file.create_dataset("u", (9, 2**20), "i1", chunks=(1, 2**20), compression="gzip")
        for number in range(9):
            large[number] = number
    (only,) = inspect(tmp_path / "a.h5").arrays
    assert only.statistics is not None
    assert (only.statistics.read, only.statistics.maximum, only.statistics.mean) == (3 * 2**20, 8, 4)


def test_a_shape_that_only_the_header_holds_is_told_and_not_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", (10**6, 10**6, 10**6), "f4", chunks=(1, 1, 10**6))
        file.create_dataset("v", (2**40,), "f8", chunks=(2**29,))
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("u", shape=(10**9, 10**9, 10**9), chunks=(1, 1, 16), dtype="f4")
    group.create_array("v", shape=(10**9, 10**9), chunks=(10**9, 10**9), dtype="f4")
    hdf5 = listed(inspect(tmp_path / "a.h5"))
    assert " were written, the rest" in hdf5["u"].fault
    assert "chunks of 4294967296 bytes" in hdf5["v"].fault
    assert "4 EB" in "\n".join(inspection_lines(inspect(tmp_path / "a.h5")))
    stored = listed(inspect(tmp_path / "a.zarr"))
    assert stored["u"].statistics.read <= 3 * 2**20
    assert "too large to read its numbers here" in stored["v"].fault


def test_types_that_are_no_numbers_are_listed_with_the_reason(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["words"] = ["a", "b"]
        file["records"] = np.zeros(3, [("name", "S8"), ("value", "f8")])
        file["nothing"] = h5py.Empty("f4")
        file["none"] = np.zeros((0, 3))
    found = listed(inspect(tmp_path / "a.h5"))
    assert found["records"].dtype == "record"
    assert all("expected integers or floats" in found[name].fault for name in ("words", "records", "nothing"))
    assert (found["none"].fault, found["none"].statistics) == (None, None)


def test_damage_behind_a_good_header_is_told(waves, told):
    path = waves.write()
    waves.spoil(path)
    assert "t0_fields/height: damaged" in " ".join(told(path).split())


def test_names_do_not_steer_the_terminal(tmp_path):
    path = write(tmp_path / "a.h5", **{"u\x1b[2J\nv": np.zeros((T, X, Y))})
    assert all(line.isprintable() for line in inspection_lines(inspect(path)))


def test_json_is_one_document(command):
    path = DAMAGED / "nan_in_last_sample.hdf5"
    document = json.loads(command("inspect", path, "--json").stdout)
    assert (document["file"], document["kind"]) == (str(path), "HDF5")
    density = next(each for each in document["arrays"] if each["path"] == "density")
    assert (density["shape"], density["statistics"]["not_finite"]) == ([4, 9, 32, 32], 2048)
    assert document["looks_like"][0]["source"] == "pdebench"


def test_help_fits_a_screen(command):
    lines = command("inspect", "--help").stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


@needs_more
@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("bubbleml/v?/Twall*", "bubbleml"),
        ("pdegym/*.nc", "pdegym"),
        ("flowbench/*/*/*/Re_*.npz", "flowbench"),
        ("well/*/data/*/*.hdf5", "well"),
        ("pdebench/?D_CFD*", "pdebench"),
        ("pdearena/Navier*.h5", "pdearena"),
    ],
)
def test_the_files_of_a_source_are_recognised(pattern, source):
    paths = list(MORE.glob(pattern))
    assert paths
    for path in paths:
        assert [each.source for each in inspect(path).looks_like if each.fits] == [source]


@needs_more
@pytest.mark.parametrize(
    "pattern",
    [
        "other_layouts/*",
        "pdebench/ns_sim_2d-1.h5",
        "pdearena/Maxwell3D_*.h5",
        "pdebench/?D_diff*.h5",
        "flowbench/*.npz",
    ],
)
def test_what_no_source_knows_is_said_to_be_unknown_with_help(told, pattern):
    for path in MORE.glob(pattern):
        text = " ".join(told(path).split())
        assert "looks like none of the benchmarks" in text or "looks like output of" in text
        assert "--recipe own.toml" in text or "folder of its states" in text


@needs_more
def test_the_link_of_the_damaged_sample_is_named():
    found = inspect(MORE / "damaged" / "external_link.hdf5")
    assert (found.outside, len(found.arrays)) == (("Vy",), 7)
