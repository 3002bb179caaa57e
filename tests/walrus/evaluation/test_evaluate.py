"""Whole evaluations on the sample data: against persistence, against numpy, and against bad input."""

import shutil
from dataclasses import replace
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch

from shards.errors import MismatchError, ShardError
from shards.read import Dataset
from tests.shards.test_read import edit
from walrus.evaluation.evaluate import evaluate
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import Forecasts
from walrus.evaluation.metrics import MEASURES
from walrus.evaluation.scores import FORECASTERS
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.reader import Reader
from walrus.rollout import Model, rollout
from walrus.trend import RIDGE
from walrus.vocabulary import PUBLISHED, Vocabulary

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)
SHORT = ForecastProtocol(history=3, start=5, longest=4)


@pytest.fixture(scope="module")
def lively():
    """A model that has learned nothing and changes much."""
    torch.manual_seed(1)
    return Model(Walrus(SETTINGS, 67).eval(), PUBLISHED, 1e-5)


@pytest.fixture(scope="module")
def shear(root):
    return Dataset(root / "shear_flow")


@pytest.mark.parametrize("name", ["shear_flow", "acoustic_scattering_discontinuous", "MHD_64"])
def test_a_model_that_predicts_no_change_scores_as_persistence(root, still, name):
    judged = evaluate(still, Dataset(root / name), SHORT)
    for window in judged.scores.windows:
        model, persistence = (judged.scores.value(window, each) for each in ("model", "persistence"))
        assert model == pytest.approx(persistence, rel=1e-6)
    assert judged.scores.value("one-step", "linear") < judged.scores.value("one-step", "persistence")
    assert judged.starts == (5,)
    assert all(trajectory.rollout_FMTC.shape[2] == 4 for trajectory in judged.trajectories)


def test_the_scores_equal_an_independent_numpy_computation(shear, lively, samples):
    """Rollout and baselines of the second trajectory, from the source file and the model's own frames."""
    forecasts = Forecasts(lively, shear, SHORT)
    found = forecasts.errors(1).rollout_FMTC
    origin = shear.document(shear.entries("test")[1]).trajectory.origin
    with h5py.File(samples / "well/shear_flow" / origin.file) as file:
        scalars = [file[f"t0_fields/{name}"][origin.row] for name in ("tracer", "pressure")]
        velocity = file["t1_fields/velocity"][origin.row]
    frames = np.stack([*scalars, velocity[..., 0], velocity[..., 1]], 1).astype(np.float64)
    seen = Reader(shear, "test")
    batch = seen.buffers(1, 3).batch
    batch.fields_BTCHWD[0, :, ~batch.padded_C] = torch.from_numpy(
        frames[2:5, ..., None] / batch.scale_C[~batch.padded_C].numpy()[:, None, None, None]
    ).float()
    real = (~batch.padded_C).numpy()
    rolled = [frame[0, ..., 0].numpy()[real] for frame in rollout(lively, batch, 4)]
    guesses = {
        "model": np.stack(rolled) * batch.scale_C.numpy()[real][:, None, None],
        "persistence": frames[4][None].repeat(4, 0),
        "linear": frames[4] + np.arange(1, 5).reshape(4, 1, 1, 1) * (frames[4] - frames[3]),
        "trend": trend_by_hand(frames[2:5], 4),
    }
    for f, forecaster in enumerate(FORECASTERS):
        for step in range(4):
            for channel in range(4):
                unit = shear.card.moments[shear.card.schema.channels[channel]].std
                guess = guesses[forecaster][step, channel].astype(np.float64)
                expected = by_hand(frames[5 + step, channel], guess, unit)
                # The trend is fitted in float32.
                rtol = 1e-2 if forecaster == "trend" else 1e-6
                np.testing.assert_allclose(found[f, :, step, channel], expected, rtol=rtol, atol=1e-12)


def trend_by_hand(frames_TCHW, steps):
    """[T, C, H, W] the frames after three, by the linear rule of their changes, fitted by numpy."""
    frames_TCHW = list(frames_TCHW)

    def terms(last, before):
        bent = [np.roll(last, 1, axis) + np.roll(last, -1, axis) - 2 * last for axis in range(2)]
        return np.stack([last, before, *bent], -1).reshape(-1, 4)

    for _ in range(steps):
        change_C = []
        for second, last in np.diff(frames_TCHW[-3:], axis=0).swapaxes(0, 1):
            known = terms(second, 0 * second)
            unit = np.sqrt((known**2).mean(0))
            unit[unit == 0] = 1
            rows = np.concatenate([known / unit, np.sqrt(RIDGE * len(known)) * np.eye(4)])
            factors, *_ = np.linalg.lstsq(rows, np.concatenate([last.ravel(), np.zeros(4)]))
            change = (terms(last, second) / unit @ factors).reshape(last.shape)
            change_C.append(change / max(1, np.sqrt((change**2).mean() / (last**2).mean())))
        frames_TCHW.append(frames_TCHW[-1] + np.stack(change_C))
    return np.stack(frames_TCHW[-steps:])


def by_hand(u, v, unit):
    """Every measure of one field of this standard deviation, in the order of MEASURES, by numpy alone."""
    square = (u - v) ** 2
    covariance = ((u - u.mean()) * (v - v.mean())).mean()
    waves = [np.fft.fftfreq(size) * 2 * np.pi for size in u.shape]
    length = np.sqrt(sum(wave**2 for wave in np.meshgrid(*waves, indexing="ij")))
    edges = np.geomspace(2 * np.pi / max(u.shape), np.pi * np.sqrt(u.ndim), 4)
    edges[0], edges[-1] = -1, np.inf
    masks = [(length >= low) & (length < high) for low, high in pairwise(edges)]
    error, energy = (np.abs(np.fft.fftn(part) / part.size) ** 2 for part in (u - v, u))
    values = {
        "vrmse": np.sqrt(square.mean() / (u.var(ddof=1) + 1e-7 * unit**2)),
        "vrmse_published": np.sqrt(square.mean() / (u.var(ddof=1) + 1e-7)),
        "nrmse": np.sqrt(square.mean() / ((u**2).mean() + 1e-7 * unit**2)),
        "rmse": np.sqrt(square.mean()),
        "mae": np.abs(u - v).mean(),
        "linf": np.abs(u - v).max(),
        "pearson": covariance / (u.std(ddof=1) * v.std(ddof=1) + 1e-7 * unit**2),
    }
    for name, mask in zip(("low", "middle", "high"), masks, strict=True):
        values[f"spectral_error_{name}"] = error[mask].sum()
        values[f"relative_spectral_error_{name}"] = error[mask].sum() / (energy[mask].sum() + 1e-7 * unit**2)
    return [values[measure] for measure in MEASURES]


def test_the_film_is_of_the_true_frames(shear, still, samples):
    judged = evaluate(still, shear, SHORT)
    recording = judged.recordings.typical
    entry = next(entry for entry in shear.entries("test") if entry.key == recording.facts.trajectory)
    trajectory = shear.document(entry).trajectory
    with h5py.File(samples / "well/shear_flow" / trajectory.origin.file) as file:
        tracer = file["t0_fields/tracer"][trajectory.origin.row]
    assert recording.channels == ("tracer",)
    assert recording.steps == (1, 2, 3, 4)
    assert recording.time_T.tolist() == list(trajectory.time[5:9])
    truth_TVU = recording.images_ITCVU[0][0, :, 0]
    np.testing.assert_array_equal(truth_TVU, tracer[5:9].transpose(0, 2, 1)[:, ::-1])
    assert judged.recordings.fields.channels == judged.channels


def test_errors_are_averaged_over_the_seeds_of_a_model_with_jitter(root, lively):
    dataset = Dataset(root / "MHD_64")
    parts = [
        Forecasts(lively, dataset, replace(SHORT, seeds=seeds)).errors(0).rollout_FMTC
        for seeds in ((0,), (1,), (0, 1))
    ]
    np.testing.assert_allclose(parts[2], (parts[0] + parts[1]) / 2, rtol=1e-6)
    assert not np.allclose(parts[0][0], parts[1][0])
    calm = Forecasts(replace(lively, jitters=False), dataset, replace(SHORT, seeds=(0, 1)))
    assert len(calm.models) == 1


def test_memory_holds_some_frames_and_never_a_trajectory(shear, lively, monkeypatch):
    asked = []
    buffers = Reader.buffers
    monkeypatch.setattr(Reader, "buffers", lambda self, *size: asked.append(size) or buffers(self, *size))
    evaluate(lively, shear, replace(SHORT, at_once=2))
    assert max(frames for _, frames in asked) == SHORT.history + 2


def test_fewer_windows_at_once_change_nothing_without_jitter(root, lively):
    calm, dataset = replace(lively, jitters=False), Dataset(root / "MHD_64")
    one, many = (Forecasts(calm, dataset, replace(SHORT, at_once=count)).errors(0) for count in (1, 8))
    np.testing.assert_allclose(one.one_step_FMKC, many.one_step_FMKC, rtol=1e-3)


def test_a_start_beyond_the_trajectory_falls_back_to_the_history(root, still):
    judged = evaluate(still, Dataset(root / "MHD_64"), ForecastProtocol(history=3))
    assert judged.starts == (3,)
    assert judged.remarks[0] == (
        "1 of 1 rollout did not begin at frame 17 but at frame 3, right after the history: "
        "--start takes a frame from 3 to the last"
    )
    assert judged.trajectories[0].rollout_FMTC.shape[2] == 9


def test_trajectories_shorter_than_the_history_are_refused(root, still):
    with pytest.raises(
        MismatchError, match="longest test trajectory has 12 frames; expected more than the history of 12"
    ):
        evaluate(still, Dataset(root / "MHD_64"), ForecastProtocol(history=12))


def test_an_empty_split_is_refused(tmp_path, root, still):
    with pytest.raises(
        MismatchError, match=r"has no test trajectories \(2 train, 0 valid, 0 test\); take another"
    ):
        evaluate(still, WithoutTest(root / "MHD_64"), SHORT)


class WithoutTest(Dataset):
    def entries(self, split):
        return super().entries(split)[:2] if split == "train" else ()


def test_a_channel_that_the_model_does_not_know_is_refused(shear, still):
    narrow = Vocabulary(tuple(name for name in PUBLISHED.names if name != "tracer"))
    with pytest.raises(MismatchError, match=r"the model does not know tracer; fine-tune it"):
        evaluate(replace(still, vocabulary=narrow), shear, SHORT)


def test_a_grid_of_another_dimension_is_refused(root):
    network = Walrus(replace(SETTINGS, dimensions=(2,)), 67).eval()
    with pytest.raises(MismatchError, match=r"grid of 3 real axes"):
        evaluate(Model(network, PUBLISHED, 1e-5), Dataset(root / "MHD_64"), SHORT)


def test_a_dataset_that_is_rebuilt_meanwhile_has_no_scores(root, still, tmp_path):
    folder = shutil.copytree(root / "shear_flow", tmp_path / "shear_flow")

    def rebuild(done: int, total: int) -> None:
        edit(folder / "index.json", lambda index: index["files"][0].update(crc32c=1))

    with pytest.raises(ShardError, match="was rebuilt while it was read"):
        evaluate(still, Dataset(folder), SHORT, rebuild)


def test_values_that_are_not_finite_are_told_and_no_fault_of_the_model(root, still):
    with pytest.raises(ShardError, match=r"frame 7: values are not finite; build"):
        evaluate(still, Damaged(root / "shear_flow"), SHORT)


class Damaged(Dataset):
    def read_frames(self, entry, frames, out_TCS, *channels):
        super().read_frames(entry, frames, out_TCS, *channels)
        for place, frame in enumerate(frames):
            if frame == 7:
                out_TCS[place, 1, 3, 3] = np.nan


@pytest.mark.parametrize(
    "error",
    [
        MemoryError,
        torch.OutOfMemoryError,
        RuntimeError("can't allocate memory: 8 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_running_out_of_memory_says_what_to_reduce(shear, still, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(Walrus, "forward", full)
    with pytest.raises(
        MismatchError, match=r"3 frames of 4 channels on 32 x 64 cells; forecast fewer windows"
    ):
        evaluate(still, shear, SHORT)
    with pytest.raises(MismatchError, match="take a device with more memory"):
        evaluate(still, shear, replace(SHORT, at_once=1))
