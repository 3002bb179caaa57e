"""A number behind a date in names of files: a time of day, a step, or a question to the person."""

import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.formats.run_files import runs_among
from ingest.inspecting.folder import look_through
from ingest.name_pattern import NamePattern

STEPS = range(0, 400, 75)
SERIES = {
    # Values that are no time of day: the date is that of the start, or goes on by itself.
    "one date": ([f"run{run}_20240115_{step:06d}" for run in (0, 1) for step in STEPS], 2),
    "a date per state": ([f"a/out_200001{29 + (step > 150)}_{step:06d}" for step in STEPS], 1),
    "dates with dashes": ([f"o-2023-12-0{1 + at}-{30000 * at:05d}" for at in range(9)], 1),
    "four digits": ([f"20190704_{step:04d}_u" for step in STEPS], 1),
    "longer than a time": ([f"x_20190704_{step:07d}" for step in STEPS], 1),
    "on the day of the run": ([f"{run}_2019070{run}_{step:06d}" for run in (1, 2) for step in STEPS], 2),
    # Equal steps as numbers, but not as times of day.
    "every fifty": ([f"out_20240115_{step:06d}" for step in range(0, 251, 50)], 1),
}  # fmt: skip


@pytest.mark.parametrize("kind", SERIES)
def test_steps_behind_a_date_are_steps_and_no_file_is_lost(tmp_path, kind):
    names, runs = SERIES[kind]
    write(tmp_path / "in", names)
    found = look_through(tmp_path / "in")
    assert (found.kind, found.files, found.runs, found.others) == ("states", len(names), runs, ())
    assert not any("-" in step or "_" in step or len(step) > 7 for step in found.steps)
    files = [path for path in (tmp_path / "in").rglob("*.npz")]
    assert sorted(len(run.files) for run in runs_among(files, NamePattern(found.pattern))) == (
        [len(names) // runs] * runs
    )
    assert 'stored = "{step}"  # CHECK: the number in the names' in draft(tmp_path / "in")


CLOCKS = {
    "over midnight": [f"out_20240115_{hour:02d}0000" for hour in (12, 18)] + ["out_20240116_000000"],
    "half hours": [f"out_20240115_{clock}00" for clock in ("0000", "0030", "0100", "0130", "0200")],
    "a time per day": [f"out_2024-01-{day}_120000" for day in (15, 16, 17)],
    "seconds of the day": [f"cam.h0.0001-01-0{day}-{s:05d}" for day in (1, 2) for s in (0, 21600, 43200)],
    "colons": [f"w_2020-01-31_{hour:02d}:00:00" for hour in range(4)],
    "a letter between": [f"out_20240115T{minute:04d}" for minute in range(5)],
}


@pytest.mark.parametrize("kind", CLOCKS)
def test_times_of_day_behind_a_date_are_times(tmp_path, kind):
    write(tmp_path / "in", CLOCKS[kind])
    found = look_through(tmp_path / "in")
    assert (found.files, found.runs, len(found.dates)) == (len(CLOCKS[kind]), 1, len(CLOCKS[kind]))
    assert "DECIDE: is" not in draft(tmp_path / "in")


@pytest.mark.parametrize(
    ("names", "files", "first"),
    [
        ([f"a_20240115_{at:04d}00" for at in range(6)], 'files = "a_20240115_{step}.npz"', "2024-01-15"),
        ([f"a_20240115_{hour:02d}" for hour in range(6)], 'files = "a_20240115_{step}.npz"', "2024-01-15"),
        ([f"2024-01-1{at}_0{at}00" for at in range(4)], 'files = "*_{step}.npz"', "2024-01-10 00:00:00"),
    ],
)  # fmt: skip
def test_where_both_are_possible_a_person_decides_and_nothing_is_built(tmp_path, names, files, first):
    write(tmp_path / "in", names)
    text = draft(tmp_path / "in")
    assert "\n[time]" not in text
    assert f"a time of day or step {int(names[-1].rpartition('_')[2])}?" in text
    assert f"\n# and write {files} above" in text
    assert f"since {first}" in text


def write(folder, names):
    for number, name in enumerate(names):
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, u=np.full((7, 5), number), x=np.arange(7.0), y=np.arange(5.0))
