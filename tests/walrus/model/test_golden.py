"""The network against the numbers of the published one, cell by cell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from walrus.model.geometry import plan_axes
from walrus.model.padding import boundary_flags, pad_grid, wrap
from walrus.model.published import to_published
from walrus.model.walrus import NO_SHIFT
from walrus.normalize import WindowStatistics, advance, normalise, normalise_change, window_statistics
from walrus.training.loss import delta_loss

FAST = (
    "plane_wall_128",
    "plane_open_wall_128x384",
    "plane_periodic_256x128",
    "singleton_first_1x128x128",
    "jitter_wall_periodic_128x512",
    "finetuned_wall_open_128x256",
)
SLOW = (
    "plane_open_asym_256x128",
    "plane_open_periodic_256x512",
    "plane_periodic_512x1024",
    "singleton_middle_128x1x256",
    "volume_periodic_64",
    "volume_wall_open_64",
    "volume_periodic_axis0_256x64x64",
    "jitter_wall_open_128x256",
)
CASES = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def model_of(golden, case, dtype):
    return golden.model(dtype, case.released, "overlay" in case.entry["weights"])


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_output_in_double_precision_equals_the_published_one(golden, name):
    case = golden.case(name)
    y = model_of(golden, case, torch.float64)(case.field(), case.labels, case.boundaries, case.shifts)
    tolerance = case.entry["suggested_tolerance"]["float64_abs"]
    torch.testing.assert_close(case.picked(y), case.tensors["y_f64"], rtol=0, atol=tolerance)
    for reduced, stored in (
        (y.mean((3, 4, 5)), "y_mean"),
        (y.square().mean((3, 4, 5)).sqrt(), "y_rms"),
        (y.abs().amax((3, 4, 5)), "y_absmax"),
    ):
        torch.testing.assert_close(reduced, case.tensors[stored], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_output_in_single_precision_is_within_rounding(golden, name):
    case = golden.case(name)
    y = model_of(golden, case, torch.float32)(case.field().float(), case.labels, case.boundaries, case.shifts)
    tolerance = case.entry["suggested_tolerance"]["float32_abs"]
    torch.testing.assert_close(case.picked(y).double(), case.tensors["y_f64"], rtol=0, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@torch.no_grad()
def test_a_grid_of_66_cells_resized_to_64_equals_the_published_one(golden, dtype):
    # The release resizes this one dataset, by its name; here that is the caller's business.
    case = golden.case("volume_resize66_64x64x66")
    x = resized(case.field().to(dtype), 64)
    y = resized(golden.model(dtype)(x, case.labels, case.boundaries), 66)
    tolerance = case.entry["suggested_tolerance"][str(dtype).removeprefix("torch.") + "_abs"]
    torch.testing.assert_close(case.picked(y).double(), case.tensors["y_f64"], rtol=0, atol=tolerance)


def resized(x: Tensor, depth: int) -> Tensor:
    size = (*x.shape[3:5], depth)
    return functional.interpolate(x.flatten(0, 1), size, mode="trilinear").view(*x.shape[:3], *size)


@pytest.mark.parametrize("name", ["plane_wall_128", "jitter_wall_periodic_128x512"])
@torch.no_grad()
def test_every_intermediate_equals_the_published_one(golden, name):
    case = golden.case(name)
    model = golden.model(torch.float64)
    found = intermediates(model, case)
    # The release scales the fields where this model has scaled their kernel.
    found["encoder_in"][:, :, :-3] *= golden.published_state()["encoder_dummy"]
    for step, computed in found.items():
        expected = case.tensors[f"inter.{step}"].double()
        if step == "decoder_out":
            # Here the decoder leaves the padding out: NaN.
            expected = torch.where(case.picked(computed, step).isnan(), torch.nan, expected)
        torch.testing.assert_close(
            case.picked(computed, step),
            expected,
            equal_nan=True,
            rtol=0,
            atol=1e-10,
            msg=lambda text, step=step: f"{step}: {text}",
        )
    assert set(found) == set(case.entry["intermediates"])


def intermediates(model, case) -> dict[str, Tensor]:
    """Results between the modules, in the frame of the release: tokens turned, periodic axes wrapped."""
    seen: dict[str, Tensor] = {}

    def remember(name):
        def hook(module, inputs, output):
            seen[name + ".in"], seen[name] = inputs[0], output
            seen[name + ".flags"] = inputs[1]

        return hook

    encoder, decoder, block = model.encoders["plane"], model.decoders["plane"], model.blocks[0]
    named = {"encoder": encoder, "time": block.time, "block": block, "decoder": decoder}
    handles = [module.register_forward_hook(remember(name)) for name, module in named.items()]
    stage = decoder.first_norm.register_forward_hook(lambda _, inputs, __: seen.update(stage=inputs[0]))
    model(case.field(), case.labels, case.boundaries, case.shifts)
    for handle in (*handles, stage):
        handle.remove()

    axes = plan_axes(
        model.settings, tuple(case.field().shape[3:]), case.boundaries, jitter=case.shifts is not None
    )
    frames = case.field().shape[:2]
    tokens = [axis.tokens for axis in axes]
    turned, shift = (case.shifts.tokens[0], case.shifts.cells) if case.shifts else (NO_SHIFT, NO_SHIFT)
    inside_HWD = boundary_flags(axes, shift, seen["decoder"])[0]

    def released_frame(y_NCHWD):
        for dim, axis in enumerate(axes, start=2):
            overlap = axis.first.wrap + axis.first.stride * axis.second.wrap if axis.periodic else 0
            y_NCHWD = wrap(y_NCHWD, dim, overlap, overlap)
        return y_NCHWD.unflatten(0, frames)

    def grid(x_TBSE):
        return x_TBSE.transpose(2, 3).unflatten(3, tokens).roll(turned, (3, 4, 5))

    placed = seen["encoder.in"]
    flags = seen["encoder.flags"].expand(len(placed), *seen["encoder.flags"].shape)
    return {
        "encoder_in": released_frame(torch.cat([placed, flags], 1)),
        "encoder_out": seen["encoder"].unflatten(0, frames),
        "block0_after_time": grid(seen["time.in"] + seen["time"]),
        "block0_out": grid(seen["block"]),
        "decoder_in": seen["decoder.in"].unflatten(0, frames),
        "decoder_stage1_raw": seen["stage"].unflatten(0, frames),
        "decoder_out": released_frame(
            torch.where(inside_HWD == 1, pad_grid(seen["decoder"], axes, shift), torch.nan)
        ),
    }


def training_outputs(golden, dtype):
    """Predictions [T, B, C, ...] of the variable channels, padded ones zero, and all that the loss needs."""
    case = golden.case("training_step_128")
    shape = case.entry["shape"]
    u = case.field("u").to(dtype)
    variable = shape["C_variable"]
    statistics = window_statistics(u[: shape["T_in"]], case.entry["epsilon"])
    model = golden.model(dtype)
    output = model(normalise(u[: shape["T_in"]], statistics), case.labels, case.boundaries)
    padded_C = torch.tensor([channel in case.entry["padded_zero_channels"] for channel in range(variable)])
    output = output[:, :, :variable] * ~padded_C[:, None, None, None]
    return case, model, output, u[:, :, :variable], statistics, padded_C


@pytest.mark.parametrize(("dtype", "name"), [(torch.float64, "f64"), (torch.float32, "f32")])
def test_a_training_step_gives_the_published_loss_and_gradients(golden, dtype, name):
    case, model, output, frames, statistics, padded_C = training_outputs(golden, dtype)
    tolerance = case.entry["suggested_tolerance"]
    exact = dtype == torch.float64
    torch.testing.assert_close(statistics.scale_BC, case.tensors[f"input_rms_{name}"])
    torch.testing.assert_close(statistics.delta_BC, case.tensors[f"delta_rms_{name}"])

    stored = case.tensors["prediction_f64"].permute(1, 0, 5, 2, 3, 4)
    atol = tolerance["float64_rel_to_prediction_rms" if exact else "float32_rel_to_prediction_rms"]
    torch.testing.assert_close(case.picked(output[1:]).double(), stored, rtol=0, atol=atol * 0.47)
    if exact:
        variable = WindowStatistics(statistics.scale_BC[:, :4], statistics.delta_BC[:, :4])
        target = case.picked(normalise_change(frames.diff(dim=0)[1:], variable))
        torch.testing.assert_close(target, case.tensors["target_f64"].permute(1, 0, 5, 2, 3, 4))

    cells = torch.zeros(2, *frames.shape[3:], dtype=torch.uint8)
    # The release counts padded components, as zero error, in its mean.
    diluted = (~padded_C).sum() / len(padded_C)
    loss = delta_loss(output, frames[:-1], frames[1:], statistics, cells, padded_C) * diluted
    rtol = tolerance["loss_rel_float64" if exact else "loss_rel_float32"]
    torch.testing.assert_close(loss.item(), case.entry["results"]["loss_f64"], rtol=rtol, atol=0)

    model.zero_grad()
    loss.backward()
    gradients = to_published(
        {key: value.grad for key, value in model.named_parameters() if value.grad is not None}
        | {key: torch.zeros(()) for key, value in model.named_parameters() if value.grad is None},
        model.settings,
    )
    rtol = tolerance["gradient_rel_l2_float64" if exact else "gradient_rel_l2_float32"]
    # Here the scalar is a setting: its gradient follows from that of the kernel's field columns.
    state, kernel = golden.published_state(), "embed.2.proj1.weight"
    scaled = gradients[kernel][:, 3:].double() * state[kernel][:, 3:]
    gradients["encoder_dummy"] = scaled.sum() / float(state["encoder_dummy"])
    for parameter, entry in case.entry["gradients"].items():
        gradient = gradients[parameter].double()
        if parameter.endswith("knorm.bias"):
            assert gradient.norm() < 1e-6
            continue
        torch.testing.assert_close(gradient.norm().item(), entry["l2"], rtol=rtol, atol=0)
        sample = case.tensors[f"grad_sample.{parameter}"].double()
        found = gradient.flatten()[:: entry["sample_step"]][: len(sample)]
        assert (found - sample).norm() <= rtol * sample.norm() + 1e-12, parameter
    assert len(case.entry["gradients"]) == 49


@pytest.mark.parametrize(("dtype", "name"), [(torch.float64, "float64"), (torch.float32, "float32")])
@torch.no_grad()
def test_a_rollout_follows_the_published_one(golden, dtype, name):
    case = golden.case("rollout_128")
    shape = case.entry["shape"]
    u = case.field("u").to(dtype)
    history, variable = shape["T_in"], shape["C_variable"]
    window, predicted = u[:history], []
    for _ in range(shape["T_out"]):
        statistics = window_statistics(window, case.entry["epsilon"])
        x = normalise(window, statistics)
        output = golden.model(dtype)(x, case.labels, case.boundaries, last_only=True)
        output[:, :, [*case.entry["padded_zero_channels"], *range(variable, u.shape[2])]] = 0
        frame = advance(window[-1:], output, statistics)
        predicted.append(frame[:, :, :variable])
        window = torch.cat([window[1:], frame])
    stored = case.tensors["prediction_f64"].permute(1, 0, 5, 2, 3, 4)
    scale = torch.tensor(case.entry["results"]["prediction_rms"], dtype=torch.float64).clamp(min=1e-12)
    error = (case.picked(torch.cat(predicted)).double() - stored) / scale[:, None, None, None]
    assert error.abs().max() < case.entry["suggested_tolerance"][f"{name}_rel_to_prediction_rms"]
