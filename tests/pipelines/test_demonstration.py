"""The data of `--demo` obey the equation that they are said to obey, and are made once."""

import numpy as np

from ingest.catalogue import find_recipe
from pipelines.demonstration import CELLS, INTERVAL, RUNS, VISCOSITY, demonstration


def test_the_files_hold_an_incompressible_flow_that_loses_the_energy_it_should(tmp_path):
    choice = demonstration(tmp_path)
    paths = sorted((tmp_path / choice.name).iterdir())
    assert len(paths) == RUNS
    waves = 1j * np.fft.fftfreq(CELLS, 1 / CELLS)
    with np.load(paths[0]) as file:
        vorticity, u, v = (file[name].astype("f8") for name in ("vorticity", "velocity_x", "velocity_y"))
    u_TXY, v_TXY = np.fft.fft2(u), np.fft.fft2(v)
    divergence = np.fft.ifft2(waves[:, None] * u_TXY + waves * v_TXY).real
    curl = np.fft.ifft2(waves[:, None] * v_TXY - waves * u_TXY).real
    np.testing.assert_allclose(divergence, 0, atol=1e-5)
    np.testing.assert_allclose(curl, vorticity, atol=1e-5)
    energy = (u**2 + v**2).mean((1, 2)) / 2
    # dE/dt = -viscosity * <w^2>
    dissipated = VISCOSITY * np.trapezoid((vorticity**2).mean((1, 2)), dx=INTERVAL)
    np.testing.assert_allclose(energy[0] - energy[-1], dissipated, rtol=2e-3)
    assert energy[-1] < 0.97 * energy[0]

    times = [path.stat().st_mtime_ns for path in paths]
    assert demonstration(tmp_path) == choice
    assert [path.stat().st_mtime_ns for path in paths] == times
    assert find_recipe(choice.recipe).name == choice.name
