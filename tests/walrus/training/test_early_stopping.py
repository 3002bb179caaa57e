import json
import math

import pytest
import torch
import torch.distributed as dist

from shards.errors import MismatchError, ShardError
from shards.read import Dataset
from walrus.evaluation.metrics import vrmse
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.training.early_stopping import (
    BEST,
    LOG,
    EarlyStopping,
    EarlyStoppingSettings,
    Validation,
    is_done,
    is_over,
    validation_error,
)

HISTORY = 4


@pytest.fixture(scope="module")
def dataset(root):
    return Dataset(root / "acoustic_scattering_discontinuous")


@pytest.fixture
def alone(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_model_that_predicts_no_change_has_the_error_of_persistence(dataset, still):
    settings = EarlyStoppingSettings(every=1, trajectories=1, steps=3)
    reader = Reader(dataset, "valid")
    whole = reader.read([Window(0, 0, 1)], reader.buffers(1, HISTORY + 3))
    frames = whole.fields_BTCHWD[0, :, :3] * whole.scale_C[:3, None, None, None]
    expected = vrmse(frames[HISTORY:], frames[HISTORY - 1].expand(3, -1, -1, -1, -1), 3).mean()
    assert validation_error(still, dataset, HISTORY, settings) == pytest.approx(float(expected), rel=1e-4)


def test_too_long_a_history_for_the_validation_split_is_refused(dataset, still):
    with pytest.raises(
        MismatchError,
        match="no validation trajectory is longer than the history of 24 frames",
    ):
        validation_error(still, dataset, 24, EarlyStoppingSettings(every=1))


def test_it_is_over_after_so_many_validations_without_a_better_one():
    settings = EarlyStoppingSettings(every=10, patience=2)
    errors = [0.5, 0.4, 0.45, math.inf, 0.3]
    seen = [Validation(10 * (number + 1), error) for number, error in enumerate(errors)]
    assert [is_over(seen[:count], settings) for count in range(6)] == [
        False,
        False,
        False,
        False,
        True,
        False,
    ]


def test_the_best_weights_are_kept_and_a_stopped_run_forgets_what_came_after(dataset, tmp_path, alone, still):
    model = still
    stopping = EarlyStopping(
        EarlyStoppingSettings(every=5, patience=1, trajectories=1, steps=2), model, dataset, HISTORY, tmp_path
    )
    stopping.begin(0)
    assert not stopping.validate(4, last=False)
    assert stopping.validate(5, last=False)
    stopping.keep({"weight": torch.tensor([1.0])})
    with torch.no_grad():
        model.network.decoders["plane"].bias.fill_(100)
    assert not stopping.validate(7, last=True)
    assert stopping.is_over
    assert stopping.best.step == 5
    assert stopping.best_weights()["weight"].tolist() == [1.0]
    content = (tmp_path / BEST).read_bytes()
    (tmp_path / BEST).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ShardError, match=r"best\.safetensors: weight differs from its checksum"):
        stopping.best_weights()
    assert model.network.training
    assert [json.loads(line)["step"] for line in (tmp_path / LOG).read_text().splitlines()] == [5, 7]
    assert is_done(tmp_path, stopping.settings, 100)
    stopping.begin(6)
    assert [seen.step for seen in stopping.seen] == [5]
    assert not stopping.is_over
    assert stopping.was_best_at(5)
    assert not stopping.was_best_at(6)


def test_a_run_without_early_stopping_is_never_done_by_it(tmp_path):
    assert not is_done(tmp_path, EarlyStoppingSettings(), 5)
    (tmp_path / LOG).write_text('{"step": 5, "error": Infinity}\n')
    assert is_done(tmp_path, EarlyStoppingSettings(every=5), 5)
    assert not is_done(tmp_path, EarlyStoppingSettings(), 5)
