"""Whatever folders and files are called, a draft takes every file, and knows how many runs they are."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ingest.building.build import Resources, build
from ingest.building.inputs import find_inputs
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.drafting.draft import draft
from ingest.formats.run_files import require_told_apart, runs_among
from ingest.inspecting.folder import look_through
from ingest.name_pattern import NamePattern, names_parts
from ingest.recipe import Recipe
from shards.program.settings import make
from shards.read import Dataset
from tests.ingest.solvers import write_hdf5

T, X, Y = 3, 7, 5
# What names a run, with two of its texts.
RUNS = (
    ("re{}", ("100", "250")),
    ("nu={}", ("0.01", "0.5")),
    ("mu{}", ("0p1", "0p25")),
    ("Pr{}_v2", ("0.7", "7")),
    ("amp{}", ("1", "4")),
    ("run{}", ("1", "3")),
    ("seed_{}", ("2", "7")),
    ("Re=10_seed{}", ("1", "22")),
    ("member{}", ("001", "012")),
    ("{}", ("left", "right")),
)
# What names the moments of a run, with three of its texts, and what each file holds.
MOMENTS = (
    ("out", ("",), "run"),
    ("step_{}", ("000050", "000100", "000150"), "state"),
    ("t{}", ("0010", "0020", "0030"), "state"),
    ("out.{}", ("00008", "00009", "00010"), "state"),
    ("part{}", ("1", "2", "10"), "piece"),
    ("his_{}", ("0001", "0002", "0003"), "piece"),
)


def write(path: Path, holds: str, number: int, run: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if holds == "state":
        np.savez(
            path.with_suffix(".npz"), rho=np.full((X, Y), number + run), u=np.full((2, X, Y), number + 0.5)
        )
    else:
        begin = T * number if holds == "piece" else 0
        times = np.arange(begin, begin + T) * 0.5
        write_hdf5(path.with_suffix(".h5"), {"u": np.full((T, X, Y), run), "t": times})


def invented(folder: Path, random: np.random.Generator) -> int:
    """A tree of folders and files; how many runs are in it."""
    chosen = [RUNS[number] for number in random.permutation(len(RUNS))[: random.integers(0, 4)]]
    in_folders = random.integers(0, len(chosen) + 1)
    moment, texts, holds = MOMENTS[random.integers(len(MOMENTS))]
    moment_comes_first = holds == "state" and random.random() < 0.5
    runs = list(product(*(each for _, each in chosen)))
    for run, names in enumerate(runs):
        words = [pattern.format(name) for (pattern, _), name in zip(chosen, names, strict=True)]
        for number, text in enumerate(texts):
            file = [*words[in_folders:], moment.format(text)]
            file = file[::-1] if moment_comes_first else file
            write(folder.joinpath(*words[:in_folders], "_".join(file) + ".x"), holds, number, run)
    return len(runs)


@pytest.mark.parametrize("seed", range(6))
def test_of_any_tree_each_file_is_used_once_and_runs_are_told_apart(tmp_path, seed):
    random = np.random.default_rng(seed)
    for tree in range(5):
        folder = tmp_path / f"tree{tree}"
        expected = invented(folder, random)
        files = [path for path in folder.rglob("*") if path.is_file()]
        found = look_through(folder)
        assert found.files + len(found.others) == len(files), found.words
        assert (found.runs, found.others) == (expected, ()), (found.words, files[:4])
        pattern = NamePattern(found.pattern)
        if not names_parts(found.pattern):
            assert sorted(folder.glob(found.pattern)) == sorted(files), found.words
            continue
        assert "*" not in found.pattern
        runs = runs_among(files, pattern)
        assert sum(len(run.files) for run in runs) == len(files), found.words
        for run in runs:
            require_told_apart(run, pattern)


TABLES = {
    "name": "viscous",
    "source": "arrays",
    "title": "Viscous",
    "axes": ["x", "y"],
    "layout": "t x y",
    "fields": [{"name": "u"}],
    "time": {"stored": "t"},
    "coordinates": {"x": {"lower": 0.0, "upper": 2.0}, "y": {"lower": 0.0, "upper": 1.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
}


def test_files_that_a_star_alone_tells_apart_are_refused_and_cost_their_run_only(tmp_path):
    folder, random = tmp_path / "in", np.random.default_rng(1)
    for run in ("nu=0.01/run1", "nu=0.01/run3", "nu=0.05/run1"):
        write_hdf5(folder / run / "out.h5", {"u": random.normal(size=(T, X, Y)), "t": np.arange(T)})
    star = make(Recipe, TABLES | {"files": "nu={nu}/*/out.h5"}, "star.toml")
    done = build(plan_build(star, folder, "zarr", "lz4"), tmp_path / "out", Resources(1))
    (left_out,) = done.card.quarantine
    assert len(Dataset(done.folder).index.trajectories) == 1
    assert left_out.path == "nu=0.01/run1/out.h5"
    assert left_out.reason.endswith(
        "2 files fit nu={nu}/*/out.h5 with nu = 0.01: nu=0.01/run1/out.h5, nu=0.01/run3/out.h5; expected "
        'one; name what differs between them, such as files = "nu={nu}/{run}/out.h5"'
    )
    named = make(Recipe, TABLES | {"files": "nu={nu}/{run}/out.h5"}, "named.toml")
    assert len(find_inputs(named, folder)) == 3


def test_verify_names_a_file_that_is_neither_in_the_dataset_nor_left_out(tmp_path):
    folder, random = tmp_path / "in", np.random.default_rng(2)
    for run in range(3):
        write_hdf5(folder / f"run{run}.h5", {"u": random.normal(size=(T, X, Y)), "t": np.arange(T)})
    plan = plan_build(make(Recipe, TABLES, "runs.toml"), folder, "zarr", "lz4")
    dataset = Dataset(build(plan, tmp_path / "out", Resources(1)).folder)
    assert list(source_faults(dataset, folder)) == []
    write_hdf5(folder / "run3.h5", {"u": random.normal(size=(T, X, Y)), "t": np.arange(T)})
    (fault,) = source_faults(dataset, folder)
    assert fault.startswith("run3.h5: fits the recipe, and is neither in the dataset nor left out")


def test_a_number_that_no_name_explains_is_offered_as_a_parameter(tmp_path):
    for k, amp in product((2, 4), ("0.5", "1.5")):
        for number in range(3):
            write(tmp_path / f"Bo{k}_amp{amp}_rank0_t{10 * number:04d}.x", "state", number, k)
    text = draft(tmp_path)
    assert 'files = "Bo{Bo}_amp{amp}_rank0_t{step}.npz"' in text
    assert "[scalars]\n# CHECK: keep what is a parameter" in text
    assert '\namp = "{amp}"  # 0.5 to 1.5\n' in text
    assert '# Bo = "{Bo}"  # 2; CHECK: uncomment a parameter\n' in text
