"""Virtual datasets: read where all that they need is in the folder, refused in one line otherwise."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.formats.arrays import whole
from ingest.formats.open_any import open_arrays
from ingest.sources.arrays import companions
from shards.errors import SourceError
from tests.ingest.solvers import U, X, write_hdf5

HALF = X // 2


def write(folder: Path, sources: tuple[str, str] = ("p0.h5", "p1.h5"), parts: int = 2) -> Path:
    """As Dedalus writes: the parts of processes, and a file that joins them along x."""
    pieces = (U[:, :HALF], U[:, HALF:])[:parts]
    layout = h5py.VirtualLayout(U.shape, "f8")
    for name, part, start in zip(sources, pieces, (0, HALF), strict=False):
        write_hdf5(folder / name, {"tasks/u": part})
        layout[:, start : start + part.shape[1]] = h5py.VirtualSource(name, "tasks/u", part.shape)
    with h5py.File(folder / "joint.h5", "w") as file:
        file.create_virtual_dataset("tasks/u", layout)
    return folder / "joint.h5"


def write_growing(folder: Path, frames: tuple[int, int] = (len(U), len(U))) -> Path:
    """As Dedalus joins the parts of processes: with an axis of time that may grow in each."""
    layout = h5py.VirtualLayout(U.shape, "f8", maxshape=(None, *U.shape[1:]))
    always = slice(0, h5py.h5s.UNLIMITED)
    for name, cells, count in zip(("p0.h5", "p1.h5"), (slice(0, HALF), slice(HALF, X)), frames, strict=True):
        part = U[:count, cells]
        with h5py.File(folder / name, "w") as file:
            file.create_dataset("tasks/u", data=part, maxshape=(None, *part.shape[1:]))
        source = h5py.VirtualSource(name, "tasks/u", part.shape, maxshape=(None, *part.shape[1:]))
        layout[always, cells] = source[always]
    with h5py.File(folder / "joint.h5", "w") as file:
        file.create_virtual_dataset("tasks/u", layout)
    return folder / "joint.h5"


def fault(path: Path) -> str:
    with pytest.raises(SourceError) as caught, open_arrays(path) as arrays:
        arrays.array("tasks/u")
    return str(caught.value)


def test_parts_in_the_same_folder_are_read(tmp_path):
    with open_arrays(write(tmp_path)) as arrays:
        np.testing.assert_array_equal(whole(arrays.array("tasks/u")), U)


def test_parts_along_an_axis_that_may_grow_are_read_if_all_have_all_frames(tmp_path):
    with open_arrays(write_growing(tmp_path)) as arrays:
        np.testing.assert_array_equal(whole(arrays.array("tasks/u")), U)
    assert "p1.h5:/tasks/u: holds 140 of the 210 values" in fault(write_growing(tmp_path, (6, 4)))


def test_parts_below_the_folder_are_read(tmp_path):
    with open_arrays(write(tmp_path, ("parts/p0.h5", "parts/p1.h5"))) as arrays:
        np.testing.assert_array_equal(whole(arrays.array("tasks/u")), U)


def test_a_change_of_a_part_is_a_change_of_the_file(tmp_path):
    assert companions(write(tmp_path)) == (tmp_path / "p0.h5", tmp_path / "p1.h5")


def test_a_part_outside_the_folder_is_refused_with_what_helps(tmp_path):
    (tmp_path / "in").mkdir()
    write_hdf5(tmp_path / "secret.h5", {"tasks/u": U[:, :HALF]})
    message = fault(write(tmp_path / "in", ("../secret.h5", "p1.h5")))
    assert "secret.h5 outside the folder of the file" in message
    assert "h5repack -l CONTI" in message


def test_a_link_that_leaves_the_folder_is_refused(tmp_path):
    path = write(tmp_path / "in")
    write_hdf5(tmp_path / "secret.h5", {"tasks/u": U[:, :HALF]})
    (tmp_path / "in" / "p0.h5").unlink()
    (tmp_path / "in" / "p0.h5").symlink_to(tmp_path / "secret.h5")
    assert "outside the folder of the file" in fault(path)


def test_an_absent_part_is_named(tmp_path):
    path = write(tmp_path)
    (tmp_path / "p1.h5").unlink()
    assert "p1.h5, which does not exist" in fault(path)


def test_values_that_no_part_holds_are_counted(tmp_path):
    assert f"{U[:, :HALF].size} of {U.size} values" in fault(write(tmp_path, parts=1))


def test_a_part_that_points_further_is_refused(tmp_path):
    path = write(tmp_path)
    (tmp_path / "p0.h5").unlink()
    with h5py.File(tmp_path / "p0.h5", "w") as file:
        file["tasks/u"] = h5py.ExternalLink("p1.h5", "tasks/u")
    assert "no dataset tasks/u; a virtual dataset needs it" in fault(path)


def test_a_part_that_was_not_written_is_named(tmp_path):
    path = write(tmp_path)
    (tmp_path / "p0.h5").unlink()
    with h5py.File(tmp_path / "p0.h5", "w") as file:
        file.create_dataset("tasks/u", U[:, :HALF].shape, "f8")
    assert "p0.h5:/tasks/u: only 0 of" in fault(path)
