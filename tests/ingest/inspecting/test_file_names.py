"""What numbers in names of files and folders are."""

import numpy as np
import pytest

from ingest.inspecting.folder import look_through
from tests.ingest.layouts.writers import LISTS
from tests.ingest.solvers import U, write_hdf5


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


@pytest.mark.parametrize(
    ("name", "pattern", "numbers"),
    [
        ("rho_{}s.npz", "rho_{step}s.npz", ("0.00", "0.50", "1.00")),
        ("pn_Vbias_{}mV.npz", "pn_Vbias_{step}mV.npz", ("0.1", "0.2", "1.1")),
        ("rho{}.2d.npz", "rho{step}.2d.npz", ("1", "2", "3")),
        ("Re100_Pm{}/out.npz", "Re{Re}_Pm{Pm}/out.npz", ("0.5", "1.0", "2.5")),
        ("Re=5_B{}T/out.npz", "Re={Re}_B{B}T/out.npz", ("0.0", "0.5", "1.0")),
    ],
)
def test_a_fraction_is_one_number_before_a_unit_and_in_a_folder(tmp_path, name, pattern, numbers):
    is_state = "step" in pattern
    for number in numbers:
        path = tmp_path / name.format(number)
        path.parent.mkdir(exist_ok=True)
        np.savez(
            path, u=np.ones((7, 6) if is_state else (5, 7, 6)), **({} if is_state else {"t": np.arange(5)})
        )
    found = look_through(tmp_path)
    assert found.pattern == pattern
    if is_state:
        assert found.steps == numbers
    else:
        assert (found.runs, found.parameters[-1].text) == (3, numbers[0])


@pytest.mark.parametrize(
    ("folders", "pattern", "parameters"),
    [
        (("Rm200_Pm0.5", "Rm300_Pm0.5", "Rm300_Pm2.0"), "Rm{Rm}_Pm{Pm}", {"Rm": "200", "Pm": "0.5"}),
        (("TCV_q3.5", "TCV_q4.2"), "TCV_q{q}", {"q": "3.5"}),
        (("B0p1T", "B0p3T"), "B{B}T", {"B": "0p1"}),
        (("leg1", "leg3"), "*", {}),
        (("q1", "q2", "q3"), "*", {}),
        (("a1", "b2"), "*", {}),
    ],
)
def test_symbols_in_names_of_folders_are_parameters(tmp_path, folders, pattern, parameters):
    for folder in folders:
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "out.npz", u=np.ones((5, 7, 6)), t=np.arange(5.0))
    found = look_through(tmp_path)
    assert (found.kind, found.runs, found.pattern) == ("runs", len(folders), f"{pattern}/out.npz")
    assert {each.name: each.text for each in found.parameters} == parameters


def test_folders_that_count_pieces_of_states_are_no_parameter(tmp_path):
    for number in range(6):
        (tmp_path / f"ab{100 + 100 * (number // 3)}").mkdir(exist_ok=True)
        np.savez(
            tmp_path / f"ab{100 + 100 * (number // 3)}" / f"out_{number:03d}.npz",
            u=np.ones((7, 6)),
            t=0.1 * number,
        )
    found = look_through(tmp_path)
    assert (found.pattern, found.runs, found.parameters) == ("ab{piece}/out_{step}.npz", 1, ())


def test_a_dash_before_every_number_of_a_parameter_is_doubted(tmp_path):
    for number in ("0.5", "0.25"):
        write_hdf5(tmp_path / f"beta-{number}.h5", {"u": U, **LISTS})
    assert look_through(tmp_path).doubt.startswith("the dash before beta = 0.5 is taken for no sign; if it")
