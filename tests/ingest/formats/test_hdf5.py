"""What every HDF5 source refuses, and in which words: damaged files, data elsewhere, data that are not
there.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.formats import hdf5
from ingest.formats import hdf5_storage as storage
from ingest.formats import hdf5_tree as tree
from ingest.formats.arrays import whole
from ingest.formats.hdf5_attributes import flags, is_bare_dimension, number, texts
from ingest.formats.open_any import open_arrays
from ingest.recipe import Correction, Recipe, RecipeField
from ingest.sources import pdebench
from shards.errors import SourceError

DAMAGED = Path(__file__).parents[2] / "samples" / "damaged"
FLOW = Recipe(
    name="flow",
    source="pdebench",
    title="Compressible flow",
    axes=("x", "y"),
    fields=(
        RecipeField("density"),
        RecipeField("pressure"),
        RecipeField("velocity", rank=1, stored=("Vx", "Vy")),
    ),
    correction=Correction(
        "the sample is periodic, its name does not say so",
        {"x": ("periodic", "periodic"), "y": ("periodic", "periodic")},
    ),
)


def test_a_file_cut_in_half_is_told_by_its_sizes(refusal):
    assert "truncated: 297108 of 594216 bytes" in refusal(DAMAGED / "cut_at_half.hdf5", FLOW)


def test_a_git_lfs_pointer_is_called_by_its_name(refusal):
    message = refusal(DAMAGED / "lfs_pointer.hdf5", FLOW)
    assert "a git-LFS pointer of 129 bytes" in message
    assert "git lfs pull" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n <!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
        (b"<HTML><head>", "an HTML page"),
        (b"", "an empty file"),
        (b"CDF\x01\x00\x00\x00\x00", "a classic NetCDF file"),
        (b"GRIB\x00\x00", "a GRIB file"),
        (b"MATLAB 5.0 MAT-file, Platform", "a MATLAB 5 file"),
        (b"\x0e\x03\x13\x01", "an HDF4 file"),
        (b"# vtk DataFile Version 3.0", "a VTK file"),
        (b'<?xml version="1.0"?>\n<VTKFile type="ImageData">', "a VTK file"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE Xdmf SYSTEM "Xdmf.dtd" []>\n<Xdmf>', "an XDMF file"),
        (b'<?xml version="1.0"?>\n<Error>gone</Error>', "an XML page"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"SIMPLE  =   T", "a FITS file"),
        (b"\x80\x02}q\x00.", "a pickle"),
        (b"PK\x03\x04 and so on", "a zip archive"),
        (b"\x1f\x8b\x08\x00 and so on", "a compressed file"),
        (b"12.5 13.5\n", "10 bytes that are not HDF5"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(refusal, tmp_path, content, words):
    path = tmp_path / "flow.hdf5"
    path.write_bytes(content)
    assert words in refusal(path, FLOW)


def test_an_absent_file_and_a_folder_are_told_apart(refusal, tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "absent.hdf5", FLOW)
    assert "not a file" in refusal(tmp_path, FLOW)


def test_an_external_link_is_named_with_its_target_and_not_followed(refusal, tmp_path):
    with h5py.File(tmp_path / "flow.hdf5", "w") as file:
        file["Vy"] = h5py.ExternalLink("../elsewhere/other.hdf5", "/Vy")
    assert ":/Vy: an external link to /Vy in ../elsewhere/other.hdf5" in refusal(tmp_path / "flow.hdf5", FLOW)


def test_an_external_link_is_refused_even_where_its_target_exists(refusal, tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as other:
        other["Vy"] = np.ones(3)
    with h5py.File(tmp_path / "flow.hdf5", "w") as file:
        file["deep/er/link"] = h5py.ExternalLink("other.hdf5", "/Vy")
    assert "/deep/er/link: an external link to /Vy in other.hdf5" in refusal(tmp_path / "flow.hdf5", FLOW)


def test_raw_storage_outside_the_file_is_refused(refusal, tmp_path):
    np.arange(6, dtype="f4").tofile(tmp_path / "secret.bin")
    with h5py.File(tmp_path / "flow.hdf5", "w") as file:
        file.create_dataset("density", (6,), "f4", external=str(tmp_path / "secret.bin"))
    message = refusal(tmp_path / "flow.hdf5", FLOW)
    assert "raw storage outside the file" in message
    assert "secret.bin" in message


def test_a_cycle_of_hard_links_ends(tmp_path):
    with h5py.File(tmp_path / "cycle.hdf5", "w") as file:
        group = file.create_group("a/b")
        group["up"] = file["a"]
        group["root"] = file["/"]
    with hdf5.open_hdf5(tmp_path / "cycle.hdf5") as file:
        assert tree.dataset_names(file) == ()


def test_a_dataset_counts_under_each_of_its_names(tmp_path):
    with h5py.File(tmp_path / "aliases.hdf5", "w") as file:
        file["b/data"] = np.ones(3)
        file["a"] = file["b/data"]
        file["c"] = h5py.SoftLink("/b/data")
        file["lost"] = h5py.SoftLink("/nowhere")
    with hdf5.open_hdf5(tmp_path / "aliases.hdf5") as file:
        assert tree.dataset_names(file) == ("a", "b/data", "c")


def test_a_missing_filter_is_named_with_its_number_and_package(refusal):
    if storage._available(32015):
        pytest.skip("hdf5plugin is installed, so the filter is not missing")
    message = refusal(DAMAGED / "zstd_compressed.hdf5", FLOW)
    assert "filter 32015 (HDF5 zstd filter)" in message
    assert "install hdf5plugin" in message


def test_a_filter_that_hdf5plugin_brings_is_found():
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")
    with pdebench.open_file(DAMAGED / "zstd_compressed.hdf5", FLOW) as file:
        assert np.isfinite(file.frames(0, 0, 2)).all()


@pytest.mark.parametrize("chunks", [None, (1, 1, 64, 64)])
def test_terabytes_that_were_never_written_are_not_read_as_zeros(refusal, tmp_path, chunks):
    path = tmp_path / "promise.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("density", (1000, 1000, 1024, 1024), "f4", chunks=chunks)
        for name in ("pressure", "Vx", "Vy"):
            file[name] = file["density"]
        file["x-coordinate"] = file["y-coordinate"] = np.arange(1024.0)
        file["t-coordinate"] = np.arange(1000.0)
    assert path.stat().st_size < 60_000
    assert "0 of" in refusal(path, FLOW)


def test_one_chunk_that_was_never_written_is_counted(tmp_path):
    with h5py.File(tmp_path / "gap.hdf5", "w") as file:
        data = file.create_dataset("data", (4, 3), "f4", chunks=(1, 3))
        data[:3] = 1
    with h5py.File(tmp_path / "gap.hdf5") as file, pytest.raises(SourceError, match="3 of 4 chunks"):
        hdf5.numbers(file, "data")


def test_a_chunk_larger_than_memory_should_hold_is_refused(tmp_path):
    with h5py.File(tmp_path / "bomb.hdf5", "w") as file:
        file.create_dataset("data", (4,), "f8", chunks=(2**29 - 1,), maxshape=(None,), compression="gzip")
    with h5py.File(tmp_path / "bomb.hdf5") as file, pytest.raises(SourceError, match="each decoded whole"):
        hdf5.numbers(file, "data")


def test_a_header_list_of_absurd_length_is_not_read(tmp_path):
    with h5py.File(tmp_path / "long.hdf5", "w") as file:
        file["time"] = np.zeros(5)
    with h5py.File(tmp_path / "long.hdf5") as file:
        dataset = hdf5.numbers(file, "time")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hdf5, "HEADER_BYTES", 39)
            with pytest.raises(SourceError, match=r"shape \(5,\)"):
                hdf5.header_array(dataset)


@pytest.mark.parametrize(
    "value",
    [
        np.array([b"ab", b"cd"]),
        np.ones(3, complex),
        np.ones(3, [("re", "f4")]),
        h5py.Empty("f4"),
        np.ones(3, np.longdouble),
    ],
)
def test_only_numbers_of_known_precision_are_read(tmp_path, value):
    with h5py.File(tmp_path / "odd.hdf5", "w") as file:
        file["data"] = value
    with (
        h5py.File(tmp_path / "odd.hdf5") as file,
        pytest.raises(SourceError, match=r"expected (integers or floats|real numbers)"),
    ):
        hdf5.numbers(file, "data")


def test_an_absent_dataset_is_told_with_what_there_is(tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["pressure"] = np.ones(3)
        file["tree/leaf"] = np.ones(3)
        file["lost"] = h5py.SoftLink("/nowhere")
    with h5py.File(tmp_path / "other.hdf5") as file:
        with pytest.raises(SourceError, match="no dataset density; found lost, pressure, tree"):
            hdf5.numbers(file, "density")
        with pytest.raises(SourceError, match="no dataset tree; found a group"):
            hdf5.numbers(file, "tree")
        with pytest.raises(SourceError, match="no dataset lost"):
            hdf5.numbers(file, "lost")
        with pytest.raises(SourceError, match="pressure is a dataset; expected a group"):
            tree.child_group(file, "pressure")


def test_a_corrupt_chunk_is_an_error_of_its_dataset(tmp_path):
    path = tmp_path / "corrupt.hdf5"
    values = np.arange(60, dtype="f4").reshape(4, 15)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=values, chunks=(4, 15), fletcher32=True)
        offset = data.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 8] ^= 1
    path.write_bytes(content)
    with h5py.File(path) as file, pytest.raises(SourceError, match="/data: damaged"):
        hdf5.slab(hdf5.numbers(file, "data"), 0)


def test_a_damaged_root_group_is_an_error_of_its_file(refusal, tmp_path):
    path = tmp_path / "flow.hdf5"
    with h5py.File(path, "w", libver="latest") as file:
        file["density"] = np.ones(3)
    content = bytearray(path.read_bytes())
    content[content.index(b"OHDR") + 4] ^= 1  # the version of the first object header
    path.write_bytes(content)
    assert "/: damaged" in refusal(path, FLOW)


def test_a_dimension_scale_whose_mark_is_damaged_is_an_error_of_its_dataset(tmp_path):
    path = tmp_path / "scale.hdf5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(4.0)
        file["x"].make_scale("x")
    content = bytearray(path.read_bytes())
    content[content.index(b"CLASS\0") - 8] ^= 1  # the version of the attribute
    path.write_bytes(content)
    with hdf5.open_hdf5(path) as file, pytest.raises(SourceError, match="/x: damaged") as caught:
        is_bare_dimension(tree.item(file, "x"))
    assert "\n" not in str(caught.value)


def test_attributes_are_read_whatever_type_their_writer_chose(tmp_path):
    with h5py.File(tmp_path / "attributes.hdf5", "w") as file:
        file.attrs["one"] = "theta"
        file.attrs["bytes"] = np.bytes_(b"theta")
        file.attrs["fixed"] = np.array([b"x", b"y"])
        file.attrs["variable"] = ["x", "y"]
        file.attrs["empty"] = []
        file.attrs["null"] = h5py.Empty("S1")
        file.attrs["broken"] = np.bytes_(b"caf\xe9")
        file.attrs["enum"] = np.array([True, False])
        file.attrs["int8"] = np.int8(1)
        file.attrs["shape_1"] = np.array([2.5])
        file.attrs["pair"] = np.array([2.5, 3.5])
    with h5py.File(tmp_path / "attributes.hdf5") as file:
        assert texts(file, "one") == texts(file, "bytes") == ("theta",)
        assert texts(file, "fixed") == texts(file, "variable") == ("x", "y")
        assert texts(file, "empty") == texts(file, "null") == ()
        assert texts(file, "broken") == ("caf�",)
        assert texts(file, "absent") is flags(file, "absent") is number(file, "absent") is None
        assert flags(file, "enum") == (True, False)
        assert flags(file, "int8") == (True,)
        assert number(file, "shape_1") == 2.5
        for read, name in ((texts, "pair"), (flags, "one"), (number, "pair"), (number, "one")):
            with pytest.raises(SourceError, match=f"attribute {name} holds"):
                read(file, name)


def test_a_well_file_without_boundaries_asks_for_a_correction(refusal):
    recipe = Recipe(
        "gray", "well", "Gray-Scott", fields=(RecipeField("A"), RecipeField("B")), axes=("x", "y")
    )
    message = refusal(DAMAGED / "no_boundary_conditions.hdf5", recipe)
    assert "no group gives the boundary of the lower side of x" in message
    assert "[correction]" in message


@pytest.mark.parametrize("seed", range(40))
def test_of_a_file_with_flipped_bits_all_frames_are_read_or_the_error_names_it(read_all, tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bytearray((DAMAGED / "no_boundary_conditions.hdf5").read_bytes())
    for place in rng.integers(0, 20_000, 5):
        content[place] ^= 1 << rng.integers(8)
    path = tmp_path / "flipped.hdf5"
    path.write_bytes(content)
    both = ("periodic", "periodic")
    recipe = Recipe(
        "gray",
        "well",
        "Gray-Scott",
        fields=(RecipeField("A"), RecipeField("B")),
        axes=("x", "y"),
        correction=Correction("the file lost its groups", {"x": both, "y": both}),
    )
    try:
        found = str([frames.shape for frames in read_all(path, recipe)])
    except SourceError as error:
        found = str(error)
    assert found == str([(12, 2, 48, 48)] * 3) or found.startswith(f"{path}:")


def test_units_of_openpmd_are_told_and_not_applied(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["E"] = np.full((2, 3), 4.0)
        file["E"].attrs["unitSI"] = 1e9
    with open_arrays(tmp_path / "a.h5") as arrays:
        assert (whole(arrays.array("E")) == 4).all()
        assert arrays.caveats() == {
            "E": ("in units of 1e+09 SI units (unitSI), and stored as they are in the file",)
        }
