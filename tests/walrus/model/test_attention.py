"""Which kernel each attention takes on a GPU, and that padded heads change nothing."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ingest.catalogue import find_recipe
from pipelines.dataset_facts import published
from tests.walrus.model.fake_gpu import fake_gpu, on_fake_gpu
from walrus.model.attention import attend
from walrus.model.block import Block
from walrus.model.cost import window_cost
from walrus.model.settings import PRESETS
from walrus.model.time_mixing import lag_buckets

RECIPE = Path(__file__).parents[3] / "pipelines" / "recipes" / "walrus.toml"
# The kernels index sequences in one dimension of a launch; CUDA allows so many.
MOST_SEQUENCES = 2**16 - 1


def kernel(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, prefers_cudnn: bool) -> str:
    """The kernel that torch takes on a GPU of compute capability 8.0 or more, by the rules of torch 2.13.

    Source: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp. cuDNN comes first on 9.0 and 10.0 with cuDNN
    after 9.15. A bias that learns bars cuDNN too; so does one of three axes, as ours is.
    """
    assert query.dtype == key.dtype == value.dtype
    half = query.dtype == torch.bfloat16
    width = query.shape[-1]
    dense = all(heads.stride(-1) == 1 for heads in (query, key, value))
    of_cudnn = half and dense and width % 8 == 0 and width <= 128 and key.shape[-2] > 1
    if prefers_cudnn and of_cudnn and (bias is None or bias.dim() in (2, 4)):
        return "cuDNN"
    if half and dense and bias is None and width <= 256:
        return "flash"
    offsets = [heads.storage_offset() * heads.element_size() for heads in (query, key, value)]
    if dense and width % (8 if half else 4) == 0 and not any(offset % 16 for offset in offsets):
        return "memory-efficient"
    return "math"


class Attentions(TorchFunctionMode):
    """Inside a `with`, notes what each attention is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is functional.scaled_dot_product_attention:
            self.calls.append((*args, (kwargs or {})["attn_mask"]))
        return function(*args, **(kwargs or {}))


def shapes(settings):
    """Frames, windows, tokens of one GPU's share of a micro-batch, for every task of the published recipe."""
    for dataset in tomllib.loads(RECIPE.read_text())["datasets"]:
        schema = published(find_recipe(dataset["name"])).schema
        frames, windows = (3, 1) if len(schema.grid.axes) == 3 else (6, 2)
        yield frames, windows, window_cost(settings, schema, frames).tokens_per_frame


@pytest.mark.parametrize("preset", list(PRESETS))
def test_no_attention_of_any_task_falls_back_to_plain_products_on_a_gpu(preset):
    settings = PRESETS[preset]
    with torch.device("meta"):
        block = Block(settings)
    every = set(shapes(settings))
    assert all(windows * tokens <= MOST_SEQUENCES for _, windows, tokens in every)
    # No rule looks at the number of tokens: the largest task of two axes, and of three.
    for frames, windows, tokens in (max(shape for shape in every if shape[0] == frames) for frames in (6, 3)):
        for autocast, in_space in ((True, ("cuDNN", "flash")), (False, ("memory-efficient",) * 2)):
            with fake_gpu(autocast), Attentions() as seen:
                x = torch.empty(frames, windows, tokens, settings.hidden, device="cuda")
                bucket = lag_buckets(frames, causal=settings.causal, device=torch.device("cuda"))
                phases = torch.empty(tokens, settings.head_width // 2, 2, device="cuda")
                on_fake_gpu(block, x, bucket, phases)
            time, space = seen.calls
            assert time[0].shape[0] == windows * tokens
            for prefers_cudnn, name in zip((True, False), in_space, strict=True):
                assert kernel(*space, prefers_cudnn) == name
                assert kernel(*time, prefers_cudnn) == "memory-efficient"


def test_heads_of_a_width_that_no_kernel_takes_get_channels_of_zero():
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, 5, 68, dtype=torch.float64, requires_grad=True) for _ in range(3))
    bias = torch.randn(2, 5, 5, dtype=torch.float64)
    with Attentions() as seen:
        found = attend(query, key, value, bias)
    assert seen.calls[0][0].shape[-1] == 72
    scores = query @ key.transpose(-1, -2) / math.sqrt(68) + bias
    expected = scores.softmax(-1) @ value
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found.sin().sum(), (query, key, value), retain_graph=True),
        torch.autograd.grad(expected.sin().sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
