"""FlowBench: values against numpy's own reading, the object decided from the flow, and bad archives told."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.recipe import Recipe, RecipeField
from ingest.source import find
from shards.program.settings import make
from shards.schema import Boundary, Cell

SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "flowbench" / "FPO_NS_2D"
T, X, Y = 7, 12, 5
RECIPE = find_recipe("flowbench_harmonics")
FLOW_ONLY = replace(RECIPE, fields=tuple(field for field in RECIPE.fields if not field.constant))
SOLID = np.zeros((Y, X), bool)
SOLID[2:4, 3:6] = True


def flow() -> np.ndarray:
    """[T, Y, X, (u, v, p)], still inside the object."""
    data = np.random.default_rng(11).normal(loc=[1, 0, 0], size=(T, Y, X, 3))
    data[:, SOLID, :2] *= 1e-9
    return data


def write(
    folder: Path, reynolds: str = "100", flip_mask: bool = False, flip_distance: bool = False, **geometry
) -> Path:
    """`<folder>/harmonics/7/Re_<n>.npz` and its geometry."""
    place = folder / "harmonics" / "7"
    place.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(place / f"Re_{reynolds}.npz", data=flow())
    distance = np.where(SOLID, -0.5, 0.5) * (-1 if flip_distance else 1)
    arrays = {"data": distance, "mask": (SOLID ^ flip_mask).astype("i4")} | geometry
    np.savez(place / "input_geometry.npz", **arrays)
    return place / f"Re_{reynolds}.npz"


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return write(folder), replace(RECIPE, dtype="source")


def test_values_are_what_numpy_reads_behind_the_skipped_frames(tmp_path):
    path = write(tmp_path)
    expected = np.load(path)["data"].transpose(0, 3, 2, 1)
    with find("flowbench").open_file(path, replace(RECIPE, dtype="source")) as file:
        assert file.schema.channels == ("velocity_x", "velocity_y", "pressure")
        assert file.rows[0].scalars == {"Reynolds": 100}
        assert np.allclose(file.rows[0].time, np.arange(2, T) * 0.05)
        assert (file.frames(0, 0, T - 2) == expected[2:]).all()
        x, y = file.schema.grid.coordinates
        assert np.allclose(x, 4 + (np.arange(X) + 0.5) * 16 / X)
        assert np.allclose(y, 6 + (np.arange(Y) + 0.5) * 4 / Y)
        assert file.schema.boundaries == ((Boundary.OPEN,) * 2,) * 2
    with find("flowbench").open_file(path, RECIPE) as file:
        assert (file.frames(0, 1, 3) == expected[3:5].astype("f4")).all()


@pytest.mark.skipif(not SAMPLES.exists(), reason="the larger sample set is not next to the repository")
@pytest.mark.parametrize("name", ["1/Re_100", "2/Re_200"])
def test_the_samples_read_as_numpy_reads_them(name, read_all):
    path = SAMPLES / "harmonics" / f"{name}.npz"
    (frames,) = read_all(path, replace(FLOW_ONLY, skip_frames=0))
    np.testing.assert_array_equal(frames, np.load(path)["data"].transpose(0, 3, 2, 1))


@pytest.mark.parametrize("flip_mask", [False, True])
@pytest.mark.parametrize("flip_distance", [False, True])
def test_the_object_is_where_nothing_moves_whatever_the_polarity(tmp_path, flip_mask, flip_distance):
    path = write(tmp_path, flip_mask=flip_mask, flip_distance=flip_distance)
    with find("flowbench").open_file(path, RECIPE) as file:
        assert file.schema.static_channels == ("mask",)
        assert (file.static(0)[0] == SOLID.T).all()
        bits = file.boundary(0)
    assert ((bits & Cell.OBSTACLE > 0) == SOLID.T).all()
    assert (bits[0] & Cell.OPEN).all()


def test_an_object_that_the_flow_does_not_show_is_refused(tmp_path):
    elsewhere = np.zeros((Y, X), "i4")
    elsewhere[0, 0] = 1
    path = write(tmp_path, mask=elsewhere)
    assert "expected almost 0 on one side" in ambiguity(path)


def test_a_distance_of_another_object_is_refused(tmp_path):
    elsewhere = np.ones((Y, X))
    elsewhere[0, 8:] = -1
    assert "shares 11% of its object with the signed distance" in ambiguity(write(tmp_path, data=elsewhere))
    assert "different objects" in ambiguity(write(tmp_path, data=np.linspace(-1, 1, Y * X).reshape(Y, X)))


def test_mask_and_distance_may_differ_at_the_surface(tmp_path):
    distance = np.where(SOLID, -0.5, 0.5)
    distance[2, 3], distance[1, 4] = 0, -0.1
    with find("flowbench").open_file(write(tmp_path, data=distance), RECIPE) as file:
        assert (file.static(0)[0] == SOLID.T).all()


def test_a_geometry_without_object_is_refused(tmp_path):
    assert "the same in all cells" in ambiguity(write(tmp_path, mask=np.zeros((Y, X), "i4")))


def ambiguity(path: Path) -> str:
    with (
        pytest.raises(OSError, match=r"input_geometry\.npz:mask") as caught,
        find("flowbench").open_file(path, RECIPE) as f,
    ):
        f.static(0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_geometry_of_another_grid_is_refused(tmp_path):
    assert ": x 5, y 12; expected x 12, y 5" in ambiguity(write(tmp_path, mask=np.ones((X, Y))))


def test_without_its_geometry_a_run_has_no_mask(tmp_path, refusal, read_all):
    path = write(tmp_path)
    path.with_name("input_geometry.npz").unlink()
    assert "no input_geometry.npz next to it" in refusal(path, RECIPE)
    assert len(read_all(path, FLOW_ONLY)) == 1


def test_the_obstacle_is_marked_also_where_the_recipe_takes_no_mask(tmp_path):
    with find("flowbench").open_file(write(tmp_path), FLOW_ONLY) as file:
        assert file.schema.static_channels == ()
        assert ((file.boundary(0) & Cell.OBSTACLE > 0) == SOLID.T).all()


def test_the_signed_distance_may_be_a_field(tmp_path):
    distance = RecipeField("signed_distance", constant=True, stored=("input_geometry/data",))
    with find("flowbench").open_file(
        write(tmp_path), replace(RECIPE, fields=(*RECIPE.fields, distance))
    ) as file:
        assert (file.static(0)[1] == np.where(SOLID, -0.5, 0.5).T).all()


@pytest.mark.parametrize("name", ["Re_x.npz", "Re_100_2.npz", "Re_.npz"])
def test_only_the_name_tells_the_reynolds_number(tmp_path, refusal, name):
    path = write(tmp_path)
    assert "the file name has no Reynolds number" in refusal(path.rename(path.with_name(name)), RECIPE)


def test_another_array_is_another_layout(tmp_path, refusal):
    path = write(tmp_path)
    np.savez(path, data=flow(), drag=np.zeros(3))
    assert "has in addition to the recipe drag" in refusal(path, RECIPE)
    np.savez(path, X=flow())
    assert "lacks data and has in addition to the recipe X" in refusal(path, RECIPE)
    np.savez(path, data=flow()[0])
    assert "shape (5, 12, 3); expected the 4 axes 't y x c'" in refusal(path, RECIPE)


def test_prepared_tensors_need_only_a_recipe(tmp_path, read_all):
    tensors = np.random.default_rng(2).normal(size=(3, 4, 3, X, Y))
    np.savez_compressed(tmp_path / "flow_past_object_X.npz", data=tensors)
    tables = {
        "name": "prepared",
        "source": "arrays",
        "title": "Flow past an object, prepared",
        "axes": ["x", "y"],
        "layout": "n t c x y",
        "fields": [
            {"name": "velocity", "rank": 1, "stored": ["data[0]", "data[1]"]},
            {"name": "pressure", "stored": ["data[2]"]},
        ],
        "time": {"step": 0.05},
        "coordinates": {"x": {"lower": 4, "upper": 20}, "y": {"lower": 6, "upper": 10}},
        "boundaries": {"x": ["open", "open"], "y": ["open", "open"]},
    }
    read = read_all(tmp_path / "flow_past_object_X.npz", make(Recipe, tables, "prepared.toml"))
    np.testing.assert_array_equal(np.stack(read), tensors)


# Archives of strangers
# ------------------------------------------------------------------------------------------------


def archive(path: Path, content: bytes, name: str = "data.npy") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


def npy(shape: str, values: bytes, descr: str = "<f8", order: str = "False") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"
    out = io.BytesIO()
    out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy("(242, 128, 512, 3)", bytes(64)), "needs 380633088 bytes, the member holds 64"),
        (npy("(1, 1, 1, 1)", bytes(64)), "needs 8 bytes, the member holds 64"),
        (npy("(4, 2, 1, 1)", bytes(64), descr="|O"), "holds object"),
        (npy("(4, 2, 1, 1)", bytes(64), descr="<c8"), "holds complex64"),
        (npy("(4, 2, 1, 1)", bytes(64), order="True"), "no channel 1; found the axes"),
        (b"no header at all", "no npy header"),
        (b"", "no npy header"),
    ],
)
def test_a_header_is_believed_only_where_the_member_agrees(tmp_path, refusal, content, words):
    assert words in refusal(archive(tmp_path / "Re_100.npz", content), FLOW_ONLY)


def test_numbers_of_either_byte_order_are_read(tmp_path, read_all):
    data = flow().astype(">f4")
    np.savez(tmp_path / "Re_100.npz", data=data)
    (frames,) = read_all(tmp_path / "Re_100.npz", FLOW_ONLY)
    np.testing.assert_array_equal(frames, data[2:].transpose(0, 3, 2, 1))


def test_spoilt_bytes_and_half_an_archive_are_told(tmp_path, refusal):
    path = write(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "not a complete zip archive" in refusal(path, FLOW_ONLY)
    spoilt = bytearray(content)
    spoilt[2000:2400] = bytes(400)
    path.write_bytes(spoilt)
    assert "damaged" in refusal(path, FLOW_ONLY)
    path.write_bytes(b"")
    assert "0 bytes that are not a complete zip archive" in refusal(path, FLOW_ONLY)


def test_names_that_climb_out_of_the_archive_are_only_names(tmp_path, refusal):
    assert "has in addition to the recipe ../../data" in refusal(
        archive(tmp_path / "Re_100.npz", npy("(1,)", bytes(8)), "../../data.npy"), FLOW_ONLY
    )
