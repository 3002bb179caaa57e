from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from shards.errors import MismatchError
from shards.schema import Cell
from walrus.evaluation.baselines import trends
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.reading.stream import Shards
from walrus.rollout import UNBOUNDED, ChangeBounds, Model, rollout
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1, branch_scale=1.0)


@pytest.fixture(scope="module")
def history(root):
    dataset = Shards.open(root, ["acoustic_scattering_discontinuous"]).datasets[
        "acoustic_scattering_discontinuous"
    ]
    reader = Reader(dataset, "test")
    return reader.read([Window(0, 2, 1), Window(1, 4, 1)], reader.buffers(2, 4))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Model(Walrus(SETTINGS, 67).eval(), PUBLISHED, 1e-5)


def test_a_rollout_yields_a_frame_a_step_and_each_is_fed_back(model, history):
    first, second, third = rollout(model, history, 3)
    assert first.shape == (2, 4, 64, 48, 1)
    window = torch.cat([history.fields_BTCHWD[:, 2:], first[:, None], second[:, None]], 1)
    again = model.next_frame(replace(history, fields_BTCHWD=window), 2)
    torch.testing.assert_close(again, third, rtol=0, atol=0)


def test_jitter_is_repeated_by_its_seed_and_changes_with_it(model, history):
    here, again = (list(rollout(model, history, 2)) for _ in range(2))
    other = list(rollout(replace(model, seed=1), history, 2))
    torch.testing.assert_close(here, again, rtol=0, atol=0)
    assert not torch.equal(here[1], other[1])


def test_a_network_that_predicts_no_change_repeats_the_last_frame(history, still):
    frames = list(rollout(still, history, 3))
    torch.testing.assert_close(frames[2], history.fields_BTCHWD[:, -1], rtol=0, atol=0)


def test_the_share_of_the_trend_falls_from_step_to_step(history, still):
    mixed = replace(still, trend_share=0.5)
    time = torch.arange(4.0)[:, None, None, None, None]
    first, rise = history.fields_BTCHWD[:, :1], history.fields_BTCHWD[:, -1:]
    line = replace(history, fields_BTCHWD=first + time * rise)
    ahead, last = mixed.next_frame(line), line.fields_BTCHWD[:, -1]
    torch.testing.assert_close(ahead, last + rise[:, 0] / 2, rtol=1e-3, atol=1e-3)
    one, two = rollout(mixed, line, 2)
    assert torch.equal(one, ahead)
    again = replace(line, fields_BTCHWD=torch.cat([line.fields_BTCHWD[:, 1:], one[:, None]], 1))
    torch.testing.assert_close(two - one, (mixed.next_frame(again, 1) - one) / 2, rtol=1e-4, atol=1e-5)
    with pytest.raises(MismatchError, match="share of the trend 2: expected a number from 0 to 1"):
        replace(still, trend_share=2.0)


def test_the_trend_leaves_cells_inside_an_obstacle(history, still):
    cells = history.cells_BHWD.clone()
    cells[:, 10:20, 5:9] |= int(Cell.OBSTACLE)
    noise = torch.randn(history.fields_BTCHWD.shape, generator=torch.Generator().manual_seed(4))
    noise = noise * ~history.padded_C[:, None, None, None]
    solid, last = replace(history, cells_BHWD=cells, fields_BTCHWD=noise), noise[:, -1]
    for frame in (replace(still, trend_share=1.0).next_frame(solid), next(trends(solid, 1))):
        assert torch.equal(frame[:, :, 10:20, 5:9], last[:, :, 10:20, 5:9])
        assert (frame != last)[:, :3, 20:30].all()


def test_cells_inside_an_obstacle_keep_their_value_and_padded_components_are_zero(model, history):
    cells = history.cells_BHWD.clone()
    cells[:, 10:20, 5:9] |= int(Cell.OBSTACLE)
    *_, frame = rollout(model, replace(history, cells_BHWD=cells), 3)
    assert torch.equal(frame[:, :, 10:20, 5:9], history.fields_BTCHWD[:, -1, :, 10:20, 5:9])
    assert frame[:, :3, 20:30].abs().min() > 0
    assert frame[:, history.channels.index("velocity_z")].abs().max() == 0


def test_scaling_the_fields_scales_the_forecast(model, history):
    doubled = replace(history, fields_BTCHWD=history.fields_BTCHWD * 4, static_BCHWD=history.static_BCHWD * 4)
    torch.testing.assert_close(model.next_frame(doubled), 4 * model.next_frame(history), rtol=1e-4, atol=1e-4)


def test_with_free_patching_the_strides_change_from_step_to_step(model, history):
    network = Walrus(replace(SETTINGS, fewest_tokens=4), 67).eval()
    network.load_state_dict(model.network.state_dict())
    still, cycled = (Model(net, PUBLISHED, 1e-5, jitters=False) for net in (model.network, network))
    # Tokens of 4, 8 and 16 cells along the axis of 64, of 4, 8 and 12 along that of 48.
    first, second, third, fourth = (cycled.next_frame(history, step) for step in range(4))
    assert torch.equal(first, still.next_frame(history))
    assert torch.equal(first, fourth)
    assert (
        min((one - two).abs().max() for one, two in ((first, second), (second, third), (third, first))) > 1e-4
    )


def test_a_model_with_cell_flags_sees_the_obstacle(history):
    network = Walrus(replace(SETTINGS, cell_flags=True), 67).eval()
    torch.nn.init.normal_(network.encoders["plane"].cells)
    cells = torch.zeros_like(history.cells_BHWD)
    cells[:, 10:20, 5:9] = int(Cell.OBSTACLE)
    model = Model(network, PUBLISHED, 1e-5, jitters=False)
    free, blocked = (
        model.next_frame(replace(history, cells_BHWD=mask)) for mask in (torch.zeros_like(cells), cells)
    )
    assert (free - blocked)[:, :, 30:].abs().max() > 1e-4


def growing(model, factor):
    """A copy of the model whose every output is a constant, so that the RMS of the change follows it."""
    network = deepcopy(model.network)
    with torch.no_grad():
        for decoder in network.decoders.values():
            decoder.second.zero_()
            decoder.bias.fill_(factor)
    return replace(model, network=network)


@pytest.mark.parametrize(("factor", "bound"), [(3.0, 1.0), (0.01, 0.25)])
def test_the_change_of_a_rollout_stays_within_its_bounds(model, history, factor, bound):
    model = growing(model, factor)
    first = model.change_rms(history)[:, : len(history.channels)]
    *_, before, last = rollout(model, history, 12)
    found = ((last - before).amax((2, 3, 4)) / (factor * first))[:, ~history.padded_C]
    torch.testing.assert_close(found, torch.full_like(found, bound), rtol=1e-3, atol=0)
    *_, before, last = rollout(replace(model, bounds=UNBOUNDED), history, 12)
    free = ((last - before).amax((2, 3, 4)) / (factor * first))[:, ~history.padded_C]
    assert (free > 100).all() if factor > 1 else (free < 0.02).all()


def test_a_frame_is_the_mean_over_the_draws_of_the_jitter(model, history):
    one, two = (replace(model, draws=draws).next_frame(history) for draws in (1, 2))
    assert not torch.equal(one, two)
    assert torch.equal(one, model.next_frame(history))
    calm = replace(model, jitters=False)
    assert torch.equal(calm.next_frame(history), replace(calm, draws=3).next_frame(history))


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(MismatchError, match="change bounds 2 to 1"):
        ChangeBounds(2.0, 1.0)
