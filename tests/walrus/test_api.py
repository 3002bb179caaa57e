"""The Python interface, as the page docs/python-api.md shows it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from shards.errors import MismatchError, ShardError, WalrusWarning
from shards.read import Dataset
from shards.schema import Boundary, Cell, FieldSpec, Grid, Schema
from walrus.api import FrameWindow, load, rollout, stored
from walrus.checkpoint import ModelDescription, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.normalize import card_scales
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.rollout import rollout as roll
from walrus.vocabulary import PUBLISHED

ACOUSTICS = "acoustic_scattering_discontinuous"
SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1, branch_scale=1.0)


def saved(folder, **changes):
    torch.manual_seed(0)
    description = ModelDescription(SETTINGS, PUBLISHED.names, 4, 3, 1e-5, True, 1, 0, (ACOUSTICS,))
    save_model(folder, replace(description, **changes), Walrus(SETTINGS, 67).state_dict())
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def window(root):
    return stored(root / ACOUSTICS, "test", trajectory=1, first=3, frames=5)


def from_shards(root, model, first, steps):
    """The same forecast by the reader of the training."""
    reader = Reader(Dataset(root / ACOUSTICS), "test")
    batch = reader.read([Window(1, first, 1)], reader.buffers(1, 4))
    real = ~batch.padded_C
    frames = [
        (frame[0] * batch.scale_C[:, None, None, None])[real, ..., 0] for frame in roll(model, batch, steps)
    ]
    return torch.stack(frames).numpy()


@pytest.mark.parametrize("whole_dataset", [False, True])
def test_arrays_in_physical_units_are_forecast_as_the_shards_are(root, window, tmp_path, whole_dataset):
    scales = {ACOUSTICS: card_scales(Dataset(root / ACOUSTICS).card)} if whole_dataset else {}
    model = load(saved(tmp_path, scales=scales))
    assert window.frames_TCS.shape == (5, 3, 64, 48)
    assert window.static_CS.shape == (2, 64, 48)
    forecast = np.stack(list(rollout(model, window, 3)))
    expected = from_shards(root, model.model, 4, 3)
    assert forecast.shape == (3, 3, 64, 48)
    size = np.sqrt(np.square(expected).mean((0, 2, 3), keepdims=True))
    assert (np.abs(forecast - expected) / size).max() < 1e-4


def test_a_window_of_ones_own_is_arrays_and_a_schema(checkpoint):
    x, y = (np.arange(16) + 0.5) / 16, (np.arange(8) + 0.5) / 8
    schema = Schema(
        fields=(FieldSpec("pressure"), FieldSpec("velocity", rank=1)),
        grid=Grid(axes=("x", "y"), coordinates=(tuple(x), tuple(y))),
        boundaries=((Boundary.PERIODIC, Boundary.PERIODIC), (Boundary.WALL, Boundary.OPEN)),
    )
    frames = np.random.default_rng(0).normal(size=(4, 3, 16, 8)) * 1e-9
    model = load(checkpoint)
    small = np.stack(list(rollout(model, FrameWindow(schema, frames), 2)))
    large = np.stack(list(rollout(model, FrameWindow(schema, frames * 2.0**60), 2)))
    assert small.dtype == np.float32
    # The unit of a field means nothing to the model.
    np.testing.assert_allclose(large / 2.0**60, small, rtol=1e-6)
    assert np.abs(small[0] - frames[-1]).max() > 0


def test_a_rollout_warns_where_the_fluid_leaves_its_range_however_hot_an_obstacle_is(tmp_path):
    schema = Schema(
        fields=(FieldSpec("temperature"),),
        grid=Grid(axes=("x", "y"), coordinates=(tuple(range(16)), tuple(range(8)))),
        boundaries=((Boundary.PERIODIC, Boundary.PERIODIC),) * 2,
    )
    cells = np.zeros((16, 8), np.uint8)
    cells[:4, :3] = Cell.OBSTACLE
    frames = np.random.default_rng(0).normal(size=(4, 1, 16, 8))
    frames[:, :, :4, :3] = 1e6
    # A network whose every answer is a change a hundred times as large as that of the window.
    model = load(saved(tmp_path))
    for parameter in model.model.network.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(model.model.network.decoders["plane"].bias, 100.0)
    with pytest.warns(WalrusWarning, match="temperature is more than 10 times .* from step 1 on"):
        next(rollout(model, FrameWindow(schema, frames, cells_S=cells), 1))


def test_what_does_not_fit_is_said_in_one_line(root, checkpoint, window, tmp_path):
    model = load(checkpoint)
    with pytest.raises(MismatchError, match="2 frames; expected 4 for this model"):
        next(rollout(model, replace(window, frames_TCS=window.frames_TCS[:2]), 1))
    with pytest.raises(
        MismatchError, match=r"frames have shape \(5, 2, 64, 48\); expected \(5, 3, 64, 48\) with pres"
    ):
        replace(window, frames_TCS=window.frames_TCS[:, :2])
    with pytest.raises(MismatchError, match="constant fields are missing"):
        replace(window, static_CS=None)
    broken = window.frames_TCS.copy()
    broken[2, 1, 5, 6] = np.nan
    with pytest.raises(MismatchError, match="velocity_x has values that are not finite"):
        replace(window, frames_TCS=broken)
    with pytest.raises(
        MismatchError,
        match="no frames 20 to 24 of test trajectory 1; there are 2 trajectories of at most 24 frames",
    ):
        stored(root / ACOUSTICS, "test", 1, 20, 5)
    with pytest.raises(ShardError, match=r"has no model\.json"):
        load(tmp_path)
    tuned = load(saved(tmp_path, scales={"other": card_scales(Dataset(root / ACOUSTICS).card)}))
    with pytest.raises(MismatchError, match=f"found data of {ACOUSTICS}"):
        next(rollout(tuned, window, 1))


def test_a_model_loads_and_forecasts_where_there_is_no_deepspeed(root, checkpoint):
    code = f"""
import sys
sys.modules["deepspeed"] = None
from walrus.api import load, rollout, stored
model = load({str(checkpoint)!r})
window = stored({str(root / ACOUSTICS)!r}, "test", 0, 0, model.history(2))
print(sum(frame.shape == (3, 64, 48) for frame in rollout(model, window, steps=2)))
print(sorted({{"matplotlib", "typer", "h5py"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["2", "[]"], done.stderr
