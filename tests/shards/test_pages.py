"""The programs of docs/format.md and docs/webdataset.md, as a reader would run them."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from shards.convert import convert
from shards.read import Dataset

REPOSITORY = Path(__file__).parents[2]
# An installed package has the engine by its entry point; the tests may run in an older installation.
ENGINE = """
from xarray.backends import plugins
from shards.xarray_backend import WalrusBackendEntrypoint
known = plugins.list_engines() | {"walrus": WalrusBackendEntrypoint()}
plugins.list_engines = lambda: known
"""


def programs(page):
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


@pytest.fixture(scope="module")
def place(root, tmp_path_factory):
    """A folder with `data` and `tars`."""
    folder = tmp_path_factory.mktemp("format")
    (folder / "data").symlink_to(root)
    convert(Dataset(root / "shear_flow"), "webdataset", folder / "tars")
    return folder


@pytest.mark.parametrize("page", ["format.md", "webdataset.md"])
def test_every_program_runs_as_it_stands(place, page):
    # In one process, as what they load takes most of the time; each program with names of its own.
    program = ENGINE + "\n".join(f"exec({each!r}, {{}})" for each in programs(page))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=place,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


def test_zarr_warns_of_our_files_in_the_dataset_alone_until_the_line_of_the_page(root):
    dataset = zarr.open_group(root / "shear_flow", mode="r")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sorted(dict(dataset.groups())) == ["test", "train", "valid"]
    named = {re.search(r"Object at (\S+) is not recognized", str(each.message))[1] for each in caught}
    assert named == {"card.json", "index.json", "recipe.toml", "parts"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(dict(dataset["train"].groups())) == len(Dataset(root / "shear_flow").entries("train"))
        (line,) = re.findall(r"^warnings\.filter.*$", programs("format.md")[2], re.M)
        exec(line, {"warnings": warnings})
        assert len(dict(dataset.groups())) == 3


def test_the_programs_give_physical_values(place, samples):
    """Both ways of the page, next to the file."""
    program = (
        ENGINE
        + programs("format.md")[1]
        + "numpy.savez('found.npz', a=velocity_x, b=physical.sel(channel='velocity_x'), key=key)"
        + "\n"
        + programs("format.md")[0]
        + "numpy.savez('engine.npz', c=data.velocity_x.sel(trajectory=f'train/{key}'))"
    )
    environment = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=place, env=environment)
    found = np.load(place / "found.npz")
    engine = np.load(place / "engine.npz")
    dataset = Dataset(place / "data" / "shear_flow")
    (entry,) = [each for each in dataset.entries("train") if each.key == str(found["key"])]
    origin = dataset.document(entry).trajectory.origin
    with h5py.File(samples / "well" / "shear_flow" / origin.file) as file:
        velocity_x = file["t1_fields/velocity"][origin.row, ..., 0]
    for values in (found["a"], found["b"], engine["c"]):
        assert (values == velocity_x).all()
