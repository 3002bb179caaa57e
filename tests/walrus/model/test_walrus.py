"""What must hold for the network whatever its weights are."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from shards.errors import MismatchError
from shards.schema import Boundary, Cell
from walrus.model.block import Block
from walrus.model.encoder import Encoder
from walrus.model.geometry import plan_axes
from walrus.model.norm import CellNorm, TokenNorm
from walrus.model.random_draws import PatchJitter, StochasticDepth, draw_paths, draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

WALL, OPEN, PERIODIC = Boundary
CLOSED, FREE, ROUND = (WALL, WALL), (OPEN, OPEN), (PERIODIC, PERIODIC)
SETTINGS = ModelSettings(hidden=48, heads=2, inner=4, mlp=64, blocks=2, branch_scale=1.0)
LABELS = (7, 3, 5)


def model_of(settings=SETTINGS, vocabulary=9, dtype=torch.float64) -> Walrus:
    torch.manual_seed(0)
    model = Walrus(settings, vocabulary).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            # Ones and zeros hide which norm or bias was used.
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def window(*grid, frames=3, windows=2, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(frames, windows, channels, *grid, generator=generator, dtype=dtype)


GRIDS = [(20, 16, 1), (1, 18, 24), (16, 1, 17), (24, 1, 1), (16, 20, 12)]


@pytest.mark.parametrize("grid", GRIDS)
@torch.no_grad()
def test_the_output_has_the_shape_of_the_input_for_every_boundary(grid):
    model, x = model_of(dtype=torch.float32), window(*grid, frames=2, windows=1, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    for boundaries in itertools.product(*([(WALL, OPEN), ROUND] if size > 1 else [ROUND] for size in grid)):
        shifts = draw_shifts(SETTINGS, grid, boundaries, generator)
        for chosen in (None, shifts):
            y = model(x, LABELS, boundaries, chosen)
            assert y.shape == x.shape
            assert y.isfinite().all()


@torch.no_grad()
def test_a_periodic_axis_of_384_cells_comes_back_whole():
    x = window(384, 16, 1, frames=1, windows=1)
    assert model_of()(x, LABELS, (ROUND, CLOSED, ROUND)).shape == x.shape


@torch.no_grad()
def test_a_frame_has_no_influence_on_what_came_before():
    model, x = model_of(), window(16, 20, 1, frames=4)
    changed = x.clone()
    changed[2] += 1
    before, after = (model(field, LABELS, (CLOSED, ROUND, ROUND)) for field in (x, changed))
    assert torch.equal(before[:2], after[:2])
    assert not torch.equal(before[2], after[2])


@torch.no_grad()
def test_without_causality_the_future_matters():
    model, x = model_of(replace(SETTINGS, causal=False)), window(16, 20, 1)
    changed = x.clone()
    changed[2] += 1
    before, after = (model(field, LABELS, (CLOSED, ROUND, ROUND)) for field in (x, changed))
    assert not torch.equal(before[0], after[0])


@torch.no_grad()
def test_the_order_of_channels_is_of_no_matter():
    model, x = model_of(), window(16, 20, 1)
    order = [2, 0, 1]
    y = model(x, LABELS, (CLOSED, FREE, ROUND))
    permuted = model(x[:, :, order], [LABELS[place] for place in order], (CLOSED, FREE, ROUND))
    torch.testing.assert_close(permuted, y[:, :, order])


@torch.no_grad()
def test_a_zero_field_beside_the_others_changes_only_the_scale_of_the_kernel():
    model, x = model_of(), window(16, 20, 1)
    # Without the inside flag the whole first layer scales, and the norm behind it takes the scale out.
    model.encoders["plane"].first[:, 2] = 0
    more = torch.cat([x, torch.zeros_like(x[:, :, :1])], 2)
    y = model(x, LABELS, (ROUND, ROUND, ROUND))
    wider = model(more, (*LABELS, 8), (ROUND, ROUND, ROUND))
    torch.testing.assert_close(wider[:, :, :3], y)


@torch.no_grad()
def test_new_blocks_are_the_identity():
    settings = replace(SETTINGS, branch_scale=PRESETS["walrus"].branch_scale)
    torch.manual_seed(0)
    model, x = Walrus(settings, 9).double(), window(16, 20, 1)
    y = model(x, LABELS, (CLOSED, ROUND, ROUND))
    model.blocks = nn.ModuleList()
    torch.testing.assert_close(model(x, LABELS, (CLOSED, ROUND, ROUND)), y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rotary", ["published", "learned", "harmonic"])
@pytest.mark.parametrize("grid", [(16, 64, 1), (18, 22, 1), (16, 8, 12)])
@torch.no_grad()
def test_a_draw_shifted_against_the_field_gives_the_same_forecast(grid, rotary):
    model, x = model_of(replace(SETTINGS, rotary=rotary)), window(*grid, frames=2, windows=1)
    boundaries = (ROUND, ROUND, ROUND)
    shifts = draw_shifts(SETTINGS, grid, boundaries, torch.Generator().manual_seed(0))
    height, width, depth = shifts.cells
    moved = PatchJitter((height - 3, width + 2, depth), shifts.tokens)
    y = model(x, LABELS, boundaries, shifts)
    torch.testing.assert_close(
        model(x.roll((3, -2), (3, 4)), LABELS, boundaries, moved), y.roll((3, -2), (3, 4))
    )


# The number of cells along W, and with it the two strides, for four tokens an axis.
@pytest.mark.parametrize("size", [16, 32, 48, 64, 96, 128])
@torch.no_grad()
def test_without_attention_a_shift_by_a_token_round_the_period_commutes(size):
    settings = replace(SETTINGS, plane_tokens=4, branch_scale=0.0)
    torch.manual_seed(0)
    model, x = Walrus(settings, 9).double(), window(16, size, 1)
    for boundaries in ((CLOSED, ROUND, ROUND), (ROUND, ROUND, ROUND)):
        y = model(x, LABELS, boundaries)
        moved = model(x.roll(size // 4, 4), LABELS, boundaries)
        torch.testing.assert_close(moved, y.roll(size // 4, 4), rtol=0, atol=1e-10)


@torch.no_grad()
def test_harmonic_positions_make_the_whole_network_commute_with_a_shift_by_a_token():
    x, boundaries = window(24, 16, 1), (ROUND, CLOSED, ROUND)
    gaps = {}
    for rotary in ("harmonic", "published"):
        model = model_of(replace(SETTINGS, rotary=rotary))
        y = model(x, LABELS, boundaries)
        gaps[rotary] = (model(x.roll(4, 3), LABELS, boundaries) - y.roll(4, 3)).abs().max()
    assert gaps["harmonic"] < 1e-10
    assert gaps["published"] > 1e-3


@pytest.mark.parametrize(("size", "exact"), [(16, False), (32, False), (64, True), (128, True)])
@torch.no_grad()
def test_the_released_seam_is_at_fault_only_where_the_second_stride_is_two(size, exact):
    correct, released = (
        model_of(replace(SETTINGS, plane_tokens=4, released_seams=released)) for released in (False, True)
    )
    x, boundaries = window(size, 1, 1), (ROUND, ROUND, ROUND)
    gap = (correct(x, LABELS, boundaries) - released(x, LABELS, boundaries)).abs().max()
    assert gap < 1e-10 if exact else gap > 1e-3


@torch.no_grad()
def test_a_ragged_period_equals_two_of_it_side_by_side():
    # 18 cells are no multiple of 4, twice 18 are. Norms and attention see the overlap, so they are taken out.
    settings = replace(SETTINGS, branch_scale=0.0)
    torch.manual_seed(0)
    model = Walrus(settings, 9).double()
    for stem in (*model.encoders.values(), *model.decoders.values()):
        stem.first_norm = stem.second_norm = nn.Identity()
    x, boundaries = window(18, 16, 1), (ROUND, CLOSED, ROUND)
    twice = model(torch.cat([x, x], 3), LABELS, boundaries)
    torch.testing.assert_close(model(x, LABELS, boundaries), twice[:, :, :, :18])


@torch.no_grad()
def test_any_axis_may_be_the_flat_one():
    # The network knows directions apart, so its kernels have to turn with the data.
    torch.manual_seed(0)
    model = Walrus(replace(SETTINGS, branch_scale=0.0), 9).double()
    x = window(16, 20, 1)
    y = model(x, LABELS, (CLOSED, ROUND, ROUND))
    for stem in (model.encoders["plane"], model.decoders["plane"]):
        for kernel in (stem.first, stem.second):
            kernel.copy_(kernel.permute(0, 1, 4, 2, 3).clone())
    turned = model(x.permute(0, 1, 2, 5, 3, 4), LABELS, (ROUND, CLOSED, ROUND))
    torch.testing.assert_close(turned, y.permute(0, 1, 2, 5, 3, 4))


@torch.no_grad()
def test_the_last_change_alone_equals_the_last_of_all():
    model, x = model_of(), window(16, 20, 1)
    boundaries = (CLOSED, ROUND, ROUND)
    shifts = draw_shifts(SETTINGS, (16, 20, 1), boundaries, torch.Generator().manual_seed(0))
    last = model(x, LABELS, boundaries, shifts, last_only=True)
    torch.testing.assert_close(last, model(x, LABELS, boundaries, shifts)[-1:])


@torch.no_grad()
def test_windows_do_not_see_each_other():
    model, x = model_of(), window(16, 20, 1, windows=3)
    alone = model(x[:, 1:2], LABELS, (CLOSED, ROUND, ROUND))
    torch.testing.assert_close(model(x, LABELS, (CLOSED, ROUND, ROUND))[:, 1:2], alone)


@pytest.mark.parametrize("grid", [(16, 20, 1), (12, 16, 8)])
def test_every_parameter_of_the_stem_at_work_gets_a_finite_gradient(grid):
    model = model_of(replace(SETTINGS, rotary="learned"))
    model(window(*grid), LABELS, (CLOSED, FREE, ROUND)).square().mean().backward()
    idle = "volume" if grid[2] == 1 else "plane"
    for name, parameter in model.named_parameters():
        if f".{idle}." in name:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            # The bias of the time keys shifts all logits of a query alike.
            assert parameter.grad.abs().max() > 1e-14 or name.endswith("time.key_norm.bias"), name


def test_recomputing_activations_changes_no_gradient():
    x, boundaries = window(16, 20, 1), (CLOSED, ROUND, ROUND)
    gradients = []
    for every in (0, 1):
        settings = replace(SETTINGS, drop_path=0.5, checkpoint_every=every)
        generator = torch.Generator().manual_seed(3)
        shifts = draw_shifts(settings, (16, 20, 1), boundaries, generator)
        paths = draw_paths(settings, 3, 2, generator)
        model = model_of(settings).train()
        model(x, LABELS, boundaries, shifts, paths).square().mean().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for kept, recomputed in zip(*gradients, strict=True):
        assert torch.equal(kept, recomputed)


@torch.no_grad()
def test_a_model_given_cell_flags_begins_as_it_was_and_then_sees_each_window_s_obstacle():
    boundaries, x = (CLOSED, ROUND, ROUND), window(16, 20, 1)
    cells = torch.zeros(2, 16, 20, 1, dtype=torch.uint8)
    cells[1, 4:7, 8:12] = Cell.OBSTACLE
    plain, model = model_of(), Walrus(replace(SETTINGS, cell_flags=True), 9).double()
    missing = model.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == ["encoders.plane.cells", "encoders.volume.cells"]
    y = plain(x, LABELS, boundaries, cells_BHWD=cells)
    assert torch.equal(y, plain(x, LABELS, boundaries))
    torch.testing.assert_close(model(x, LABELS, boundaries, cells_BHWD=cells), y)
    model.encoders["plane"].cells.normal_()
    seen = model(x, LABELS, boundaries, cells_BHWD=cells)
    torch.testing.assert_close(seen[:, 0], y[:, 0])
    assert (seen[:, 1] - y[:, 1]).abs().max() > 1e-3
    # The obstacle moves with the field.
    shifts = draw_shifts(SETTINGS, (16, 20, 1), boundaries, torch.Generator().manual_seed(0))
    height, width, depth = shifts.cells
    turned = PatchJitter((height, width + 3, depth), shifts.tokens)
    there = model(x, LABELS, boundaries, shifts, cells_BHWD=cells)
    back = model(x.roll(-3, 4), LABELS, boundaries, turned, cells_BHWD=cells.roll(-3, 2))
    torch.testing.assert_close(back, there.roll(-3, 4))


def test_only_every_second_block_and_the_stem_are_computed_again():
    settings = replace(SETTINGS, blocks=3, checkpoint_every=2)
    model, calls = model_of(settings, dtype=torch.float32), []
    parts = {
        "encoder": model.encoders["plane"],
        "decoder": model.decoders["plane"],
        **dict(model.blocks.named_children()),
    }
    for name, part in parts.items():
        part.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
    x = window(16, 20, 1, dtype=torch.float32)
    model(x, LABELS, (CLOSED, ROUND, ROUND)).mean().backward()
    assert sorted(calls) == ["0", "0", "1", "2", "2", "decoder", "decoder", "encoder", "encoder"]
    calls.clear()
    model.eval()(x, LABELS, (CLOSED, ROUND, ROUND)).mean().backward()
    assert sorted(calls) == ["0", "1", "2", "decoder", "encoder"]


@torch.no_grad()
def test_a_dropped_path_is_a_branch_that_adds_nothing():
    model, x, boundaries = model_of(), window(16, 20, 1), (CLOSED, ROUND, ROUND)
    paths = StochasticDepth(torch.ones(2, 2), torch.ones(2, 3, 2))
    paths.time_KB[0, 0] = 0
    paths.space_KTB[1, :, 0] = 0
    y = model(x, LABELS, boundaries, None, paths)
    torch.testing.assert_close(y[:, 1], model(x, LABELS, boundaries)[:, 1])
    silenced = model.blocks[0].time.out, model.blocks[1].space.attention_out, model.blocks[1].space.mlp_out
    for parameter in (parameter for layer in silenced for parameter in layer.parameters()):
        parameter.zero_()
    torch.testing.assert_close(y[:, 0], model(x, LABELS, boundaries)[:, 0])


@torch.no_grad()
def test_global_random_state_is_never_touched():
    model, x = model_of(), window(16, 20, 1)
    boundaries = (CLOSED, ROUND, ROUND)
    before = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    shifts = draw_shifts(SETTINGS, (16, 20, 1), boundaries, generator)
    one = model(x, LABELS, boundaries, shifts, draw_paths(SETTINGS, 3, 2, generator))
    generator.manual_seed(0)
    draw_shifts(SETTINGS, (16, 20, 1), boundaries, generator)
    two = model(x, LABELS, boundaries, shifts, draw_paths(SETTINGS, 3, 2, generator))
    assert torch.equal(one, two)
    assert torch.equal(before, torch.get_rng_state())


@torch.no_grad()
def test_bfloat16_stays_near_single_precision():
    model, x = model_of(dtype=torch.float32), window(16, 20, 1, dtype=torch.float32)
    boundaries = (CLOSED, ROUND, ROUND)
    y = model(x, LABELS, boundaries)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(x, LABELS, boundaries)
    assert (half - y).square().mean().sqrt() < 0.05 * y.square().mean().sqrt()


class Precisions(TorchDispatchMode):
    """The precision of every product, by the shape of its result."""

    def __init__(self):
        super().__init__()
        self.products = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function._schema.name in (
            "aten::convolution",
            "aten::convolution_backward",
            "aten::addmm",
            "aten::mm",
        ):
            tensor = result if isinstance(result, torch.Tensor) else result[0]
            self.products.append(tensor.dtype)
        return result


@torch.no_grad()
def test_under_autocast_products_are_half_and_norms_residuals_and_the_output_single_precision():
    model, residuals = model_of(dtype=torch.float32), []
    for part in model.modules():
        if isinstance(part, CellNorm | TokenNorm | Encoder | Block):
            part.register_forward_hook(lambda _, inputs, output: residuals.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16), Precisions() as seen:
        y = model(window(16, 20, 1, dtype=torch.float32), LABELS, (CLOSED, ROUND, ROUND))
    assert set(residuals) == {y.dtype} == {torch.float32}
    assert seen.products[-1] == torch.float32
    assert set(seen.products[:-1]) == {torch.bfloat16}


@pytest.mark.slow
def test_compiled_blocks_give_the_same_values_and_gradients():
    settings = replace(SETTINGS, blocks=3, drop_path=0.3)
    plain, compiled = (model_of(settings) for _ in range(2))
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        # A backend that only traces: no compiler is needed.
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    torch._dynamo.reset()
    for block in compiled.blocks:
        block.compile(fullgraph=True, backend=counting)
    x, boundaries, generator = window(16, 20, 1), (CLOSED, ROUND, ROUND), torch.Generator().manual_seed(0)
    for _ in range(3):
        shifts, paths = (
            draw_shifts(settings, (16, 20, 1), boundaries, generator),
            draw_paths(settings, 3, 2, generator),
        )
        known, found = (model(x, LABELS, boundaries, shifts, paths) for model in (plain, compiled))
        torch.testing.assert_close(found, known)
    known.sum().backward()
    found.sum().backward()
    for one, two in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad)
    assert len(graphs) == 1


@torch.no_grad()
def test_saved_weights_give_the_same_forecast():
    model, x = model_of(), window(16, 20, 1)
    twin = Walrus(SETTINGS, 9).double()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(*(m(x, LABELS, (CLOSED, ROUND, ROUND)) for m in (model, twin)))


def test_a_fixed_position_grid_takes_no_other():
    settings = replace(SETTINGS, position_grid=(5, 4, 1))
    model = model_of(settings)
    assert model(window(20, 16, 1), LABELS, (CLOSED, ROUND, ROUND)).shape == (3, 2, 3, 20, 16, 1)
    with pytest.raises(MismatchError, match=r"\(6, 4, 1\) tokens; expected its position_grid \(5, 4, 1\)"):
        model(window(24, 16, 1), LABELS, (CLOSED, ROUND, ROUND))


def test_labels_and_dimensions_that_do_not_fit_are_errors():
    model = model_of(replace(SETTINGS, dimensions=(2,)))
    with pytest.raises(MismatchError, match="2 labels for 3 channels"):
        model(window(16, 20, 1), LABELS[:2], (CLOSED, ROUND, ROUND))
    with pytest.raises(MismatchError, match="a grid of 3 real axes"):
        model(window(16, 20, 8), LABELS, (CLOSED, ROUND, ROUND))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"heads": 5}, "expected a multiple"), ({"mlp": 7}, "must be even"), ({"drop_path": 1.0}, "must be in")],
)
def test_sizes_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        replace(SETTINGS, **wrong)


@pytest.mark.parametrize("grid", [(64, 48, 1), (16, 16, 16), (64, 64, 1)])
def test_the_tiny_preset_uses_the_finest_strides_on_small_grids(grid):
    axes = plan_axes(PRESETS["tiny"], grid, (ROUND, CLOSED, ROUND), jitter=True)
    assert all(axis.stride == 4 for axis in axes if axis.size > 1)
