"""The programs of docs/other-models.md and docs/data-api.md, as a reader would run them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe

REPOSITORY = Path(__file__).parents[3]
PAGES = ("other-models.md", "data-api.md")
GRAY_SCOTT = "gray_scott_reaction_diffusion"


def programs(page):
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def run(program, folder):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def place(root, samples, tmp_path_factory):
    """A folder with `data` and `well` as the pages have them."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "data").mkdir()
    (folder / "well").symlink_to(samples / "well")
    (folder / "data" / "shear_flow").symlink_to(root / "shear_flow")
    plan = plan_build(find_recipe(GRAY_SCOTT), samples / "well" / GRAY_SCOTT, "zarr", "lz4")
    build(plan, folder / "data", Resources(1))
    return folder


def test_the_programs_of_the_data_page_run(place):
    # One process, as loading torch takes most of the time; each program with names of its own.
    found = programs("data-api.md")
    assert len(found) == 3
    done = run("\n".join(f"exec({program!r}, {{}})" for program in found), place)
    assert done.returncode == 0, done.stderr


def test_other_models_take_less_than_forty_lines():
    for program in programs("other-models.md"):
        assert len([line for line in program.splitlines() if line.strip()]) < 40


@pytest.mark.slow
def test_an_fno_learns_from_the_shards(place):
    pytest.importorskip("neuralop")
    done = run(programs("other-models.md")[0], place)
    assert done.returncode == 0, done.stderr
    errors = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
    assert errors["FNO"] < 0.95 * errors["persistence"]


@pytest.mark.slow
def test_a_unet_learns_two_datasets_from_one_stream(place):
    done = run(programs("other-models.md")[1], place)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    for name in ("shear_flow", GRAY_SCOTT):
        ratios = [float(ratio) for dataset, ratio in lines if dataset == name]
        assert len(ratios) == 40
        assert sum(ratios[-5:]) / 5 < 0.7


def test_the_wells_own_loader_gives_the_same_values(place):
    pytest.importorskip("the_well")
    done = run(programs("other-models.md")[2], place)
    assert done.returncode == 0, done.stderr
    rates = {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}
    assert rates["walrus.data"] > 2 * rates["the_well"]
