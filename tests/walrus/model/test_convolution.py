from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from shards.schema import Boundary
from walrus.model.convolution import convolve, convolve_back
from walrus.model.geometry import STRIDES, Stage, plan_axis

PERIODIC = (Boundary.PERIODIC, Boundary.PERIODIC)
FLAT = Stage()


@pytest.mark.parametrize("flat", [0, 1, 2])
def test_a_flat_axis_sums_the_kernel_and_averages_it_on_the_way_back(flat):
    stages = [Stage(4, 2), Stage(4, 2), Stage(4, 2)]
    stages[flat] = FLAT
    shape = [10, 12, 14]
    shape[flat] = 1
    x, kernel = torch.randn(2, 3, *shape).double(), torch.randn(5, 3, 4, 4, 4).double()
    dim = flat + 2
    thick = functional.conv3d(x.repeat_interleave(4, dim), kernel, stride=2)
    torch.testing.assert_close(convolve(x, kernel, tuple(stages)), thick)

    kernel = torch.randn(3, 5, 4, 4, 4).double()
    thick = functional.conv_transpose3d(x, kernel, stride=2).mean(dim, keepdim=True)
    torch.testing.assert_close(convolve_back(x, kernel, tuple(stages)), thick)


def test_two_flat_axes_leave_a_one_dimensional_convolution():
    x, kernel = torch.randn(2, 3, 1, 20, 1), torch.randn(5, 3, 4, 4, 4)
    line = functional.conv1d(x[:, :, 0, :, 0], kernel.sum((2, 4)), stride=2)
    y = convolve(x, kernel, (FLAT, Stage(4, 2), FLAT))
    torch.testing.assert_close(y[:, :, 0, :, 0], line)


def test_a_volume_and_its_gradients_are_those_of_the_transposed_convolution():
    stages = tuple(Stage(8, stride, 0, 0, crop) for stride, crop in ((2, 7), (4, 6), (6, 3)))
    x = torch.randn(2, 3, 7, 6, 5, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 4, 8, 8, 8, dtype=torch.float64, requires_grad=True)
    y = convolve_back(x, kernel, stages)
    expected = functional.conv_transpose3d(x, kernel, stride=(2, 4, 6), padding=(7, 6, 3))
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    for found, known in zip(
        *(torch.autograd.grad(z, (x, kernel), weights) for z in (y, expected)), strict=True
    ):
        torch.testing.assert_close(found, known)


@pytest.mark.parametrize("strides", STRIDES.values())
def test_there_and_back_commutes_with_a_shift_by_one_token_round_the_period(strides):
    token = strides[0] * strides[1]
    axis = plan_axis(4 * token, PERIODIC, strides, jitter=False)
    response = there_and_back(axis)
    x = torch.randn(1, 1, 4 * token, 1, 1).double()
    assert response(x).shape == x.shape
    torch.testing.assert_close(response(x.roll(token, 2)), response(x).roll(token, 2))


def test_the_mean_over_all_cell_shifts_does_not_alias():
    # Patch jitter: alone, a draw answers a wave with other waves; on average, only with itself.
    axis = plan_axis(16, PERIODIC, (2, 2), jitter=False)
    response = there_and_back(axis)
    wave = torch.cos(2 * torch.pi * 3 * torch.arange(16, dtype=torch.float64) / 16).view(1, 1, 16, 1, 1)
    draws = [response(wave.roll(shift, 2)).roll(-shift, 2).flatten() for shift in range(4)]

    def other_waves(y):
        spectrum = torch.fft.rfft(y).abs()
        return (spectrum.sum() - spectrum[3]) / spectrum[3]

    assert min(other_waves(draw) for draw in draws) > 0.1
    assert other_waves(torch.stack(draws).mean(0)) < 1e-12


def test_the_mean_over_all_cell_shifts_is_the_response_without_aliasing_and_no_draw_is():
    # v^[k] = conj(h^[k]) g^[k] u^[k], over the cells of a token: the first term of each sum over aliases.
    cells, token = 48, 4
    axis = plan_axis(cells, PERIODIC, (2, 2), jitter=False)
    first, second, second_back, first_back = (kernel.sum((0, 1, 3, 4)) for kernel in kernels())
    second_back, first_back = second_back / 16, first_back / 64

    def spectrum(kernel, spacing):
        """A kernel whose taps lie `spacing` cells apart, from as far below a row as it overhangs it."""
        overhang = (len(kernel) - 2) // 2
        place = spacing * (torch.arange(len(kernel)) - overhang)
        wave = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64)
        return torch.exp(-2j * torch.pi * wave[:, None] * place / cells) @ kernel.to(torch.complex128)

    analysis = (spectrum(first, 1) * spectrum(second, 2)).conj()
    synthesis = spectrum(second_back, 2) * spectrum(first_back, 1)
    response = there_and_back(axis)
    u = torch.randn(1, 1, cells, 1, 1, generator=torch.Generator().manual_seed(1)).double()
    unaliased = torch.fft.ifft(analysis * synthesis * torch.fft.fft(u.flatten())).real / token
    draws = [response(u.roll(shift, 2)).roll(-shift, 2).flatten() for shift in range(token)]
    torch.testing.assert_close(torch.stack(draws).mean(0), unaliased)
    assert all((draw - unaliased).norm() > 0.1 * unaliased.norm() for draw in draws)


def kernels():
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(1, 1, size, size, size, generator=generator).double() for size in (8, 4, 4, 8))


def there_and_back(axis):
    first, second, second_back, first_back = kernels()

    def response(x):
        x = convolve(convolve(x, first, (axis.first, FLAT, FLAT)), second, (axis.second, FLAT, FLAT))
        x = convolve_back(x, second_back, (axis.second, FLAT, FLAT))
        return convolve_back(x, first_back, (axis.first, FLAT, FLAT))

    return response
