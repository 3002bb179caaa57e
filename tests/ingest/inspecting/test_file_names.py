"""What numbers in names of files and folders are."""

import numpy as np
import pytest

from ingest.inspecting.folder import look_through


@pytest.mark.parametrize(
    ("spans", "run"),
    [
        (("2015-2019", "2020-2024"), "psl_r{r}"),
        (("20150101-20150105", "20150106-20150109"), "run{run}"),
        (("201501-201505", "201506-201509"), "psl_day_r{r}i1p1f1_gn"),
    ],
)
def test_spans_of_dates_are_pieces_of_each_run(tmp_path, spans, run):
    for member in (1, 2):
        for number, span in enumerate(spans):
            name = f"{run.replace('{r}', str(member)).replace('{run}', str(member))}_{span}.npz"
            np.savez(tmp_path / name, u=np.ones((5, 7, 6)), t=np.arange(5.0) + 5 * number)
    found = look_through(tmp_path)
    assert (found.kind, found.runs, found.pattern) == ("pieces", 2, f"{run}_{{piece}}.npz")
