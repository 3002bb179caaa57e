"""All tasks of the published recipe on few compiled graphs; a backend that only traces needs no compiler.

Two tests use the real backend: one runs its C++ code, the other reads the Triton code that a GPU would run.
"""

import itertools
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from subprocess import CalledProcessError

import pytest
import torch
from torch import nn
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler
from torch._inductor.graph import GraphLowering

from ingest.catalogue import find_recipe
from pipelines.dataset_facts import published
from shards.errors import SettingsError
from shards.schema import Boundary
from walrus.model.block import Block
from walrus.model.cost import cost_of
from walrus.model.geometry import plan_axes
from walrus.model.random_draws import draw_paths, draw_shifts
from walrus.model.settings import ModelSettings
from walrus.model.time_mixing import lag_buckets
from walrus.model.walrus import Walrus
from walrus.reading.plan import StreamSettings
from walrus.reading.stream import Shards, plan_stream
from walrus.training.compiled_blocks import PassShape, compile_blocks, warm_up
from walrus.training.engine_settings import EngineSettings
from walrus.training.objective import TrainingObjective
from walrus.training.train import _compile
from walrus.vocabulary import PUBLISHED

RECIPE = Path(__file__).parents[3] / "pipelines" / "recipes" / "walrus.toml"
# As many tokens as the published sizes have different numbers of, on axes of an eighth.
SMALL = 8
SETTINGS = ModelSettings(
    hidden=16,
    heads=2,
    inner=2,
    mlp=16,
    blocks=2,
    plane_tokens=4,
    volume_tokens=2,
    checkpoint_every=2,
)


def tasks():
    """Frames, windows, grid and boundaries of one GPU's share, for each dataset of the recipe."""
    for dataset in tomllib.loads(RECIPE.read_text())["datasets"]:
        schema = published(find_recipe(dataset["name"])).schema
        thin = 3 - len(schema.grid.axes)
        grid = tuple(max(1, size // SMALL) for size in schema.grid.shape) + (1,) * thin
        sides = schema.boundaries + ((Boundary.PERIODIC, Boundary.PERIODIC),) * thin
        yield (6, 2, grid, sides) if thin else (3, 1, grid, sides)


@pytest.mark.slow
def test_three_graphs_made_before_the_first_step_serve_all_tasks():
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.manual_seed(0)
    network = Walrus(SETTINGS, 9).train()
    torch._dynamo.reset()
    compile_blocks(network.blocks, counting)
    shapes = [
        PassShape(
            frames, windows, math.prod(axis.tokens for axis in plan_axes(SETTINGS, grid, sides, jitter=True))
        )
        for frames, windows, grid, sides in tasks()
    ]
    assert len(shapes) == 19
    assert len(set(shapes)) >= 5
    warm_up(network.blocks[0], SETTINGS, shapes, torch.device("cpu"), torch.bfloat16)
    assert len(graphs) == 3
    assert all(parameter.grad is None for parameter in network.parameters())

    generator = torch.Generator().manual_seed(0)
    for frames, windows, grid, sides in tasks():
        shifts = draw_shifts(SETTINGS, grid, sides, generator)
        paths = draw_paths(SETTINGS, frames, windows, generator)
        with torch.autocast("cpu", torch.bfloat16):
            y = network(torch.randn(frames, windows, 1, *grid), [4], sides, shifts, paths)
        y.square().mean().backward()
    # The compiler has no code for complex numbers.
    operations = [node.target for graph in graphs for node in graph.graph.nodes]
    assert not [name for name in operations if "complex" in str(name)]
    # No block is compiled again in a step, for any task, be it computed again in the backward pass or not.
    assert len(graphs) == 3


def inputs_of_a_block(dtype):
    """Tokens of 3 frames, 2 windows and 5 places, buckets, phases and the factors of both paths."""
    torch.manual_seed(1)
    phases_SR2 = torch.randn(5, SETTINGS.head_width // 2, 2, dtype=dtype)
    buckets_QK = lag_buckets(3, causal=SETTINGS.causal, device=torch.device("cpu"))
    paths = torch.rand(2, dtype=dtype), torch.rand(3, 2, dtype=dtype)
    return torch.randn(3, 2, 5, SETTINGS.hidden, dtype=dtype), buckets_QK, phases_SR2, *paths


def values_and_gradients(block):
    x_TBSE, *others = inputs_of_a_block(torch.float64)
    x_TBSE.requires_grad_()
    y_TBSE = block(x_TBSE, *others)
    y_TBSE.square().sum().backward()
    return [y_TBSE, x_TBSE.grad, *(parameter.grad for parameter in block.parameters())]


@pytest.mark.slow
def test_a_block_in_generated_code_gives_the_values_and_gradients_of_the_block_as_written():
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip("this machine has no C++ compiler")
    torch.manual_seed(0)
    block = Block(replace(SETTINGS, branch_scale=1.0)).double()
    known = values_and_gradients(block)
    block.zero_grad()
    torch._dynamo.reset()
    compile_blocks(nn.ModuleList([block]))
    # Code without vector instructions is compiled in less time.
    with torch._inductor.config.patch({"cpp.simdlen": 0, "compile_threads": 1}):
        found = values_and_gradients(block)
    torch.testing.assert_close(found, known)


def triton_code(block, monkeypatch):
    """The code of a forward pass in bfloat16 that a GPU would get, written without GPU and Triton."""
    written = []

    def stop(code):
        written.append(code)
        raise RuntimeError("the code is written and is not run")

    monkeypatch.setattr(GraphLowering, "save_output_code", staticmethod(stop))
    # Part of the name under which Triton would keep what it compiles.
    monkeypatch.setattr("torch.utils._triton.triton_hash_with_backend", lambda: "")
    torch._dynamo.reset()
    compile_blocks(nn.ModuleList([block]))
    settings = {"cpu_backend": "triton", "force_disable_caches": True, "compile_threads": 1}
    with (
        torch._inductor.config.patch(settings),
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(RuntimeError, match="the code is written"),
    ):
        block(*inputs_of_a_block(torch.float32))
    (code,) = written
    return code


@pytest.mark.slow
def test_norms_and_the_gated_layer_are_fused_in_the_code_for_a_gpu(monkeypatch):
    code = triton_code(Block(SETTINGS), monkeypatch)
    kernels = re.findall(r"^triton_[a-z]+_fused_(\w+) = ", code, re.MULTILINE)
    calls = re.findall(r"^[^#]*\b(?:extern_kernels|torch\.ops\.aten)\.(\w+)[\w.]*\(", code, re.MULTILINE)
    # All that is not a product or an attention is a kernel made for this block.
    assert set(calls) <= {"mm", "addmm", "bmm", "_scaled_dot_product_flash_attention_for_cpu"}
    (gate,) = (name for name in kernels if "silu" in name)
    assert "mul" in gate
    norms = [pair for pair in itertools.pairwise(kernels) if "rsqrt" in pair[0]]
    assert len(norms) == 2
    for root_mean_square, division in norms:
        assert "mean" in root_mean_square
        # Divided and rounded for the linear layer at once.
        assert "mul" in division
        assert "to_copy" in division


def test_a_block_that_needs_too_many_graphs_is_an_error_and_not_slow(monkeypatch):
    network = Walrus(SETTINGS, 9)
    torch._dynamo.reset()
    # What the call below sets is put back.
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 8)
    monkeypatch.setattr("walrus.training.compiled_blocks.MOST_GRAPHS", 1)
    compile_blocks(network.blocks, "eager")
    shapes = [PassShape(2, 1, 3), PassShape(2, 2, 3)]
    with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):
        warm_up(network.blocks[0], SETTINGS, shapes, torch.device("cpu"), None)


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (RuntimeError("No C compiler.\nSet CC."), SettingsError, r"\(No C compiler. Set CC.\)"),
        (CalledProcessError(1, ["gcc", "main.c"]), SettingsError, "gcc.*set engine.compile to false"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "CUDA out of memory"),
    ],
)
def test_a_machine_that_cannot_compile_says_so_before_the_first_step(monkeypatch, error, raised, words):
    def fails(*_):
        raise error

    network = Walrus(SETTINGS, 9)
    # The compiler fails, or the program that it has made.
    monkeypatch.setattr(network.blocks[0], "forward", fails)
    with pytest.raises(raised, match=words):
        warm_up(network.blocks[0], SETTINGS, [PassShape(2, 1, 3)], torch.device("cpu"), None)


def test_an_error_of_the_compiler_itself_is_told_in_its_words():
    def backend(graph, inputs):
        raise RuntimeError("Cannot find a working triton installation")

    network = Walrus(SETTINGS, 9)
    torch._dynamo.reset()
    compile_blocks(network.blocks, backend)
    with pytest.raises(SettingsError, match="Cannot find a working triton installation"):
        warm_up(network.blocks[0], SETTINGS, [PassShape(2, 1, 3)], torch.device("cpu"), None)


def test_a_run_says_that_it_compiles_and_afterwards_how_long_it_took(root, world, monkeypatch, capsys):
    shards = Shards.open(root, ["shear_flow"])
    settings = StreamSettings(1, windows_2d=1, windows_3d=1, history_2d=2, history_3d=2)
    plan = plan_stream(shards, {"shear_flow": 1}, settings, 0, cost_of(SETTINGS))
    network = Walrus(SETTINGS, len(PUBLISHED))
    objective = TrainingObjective(network, PUBLISHED, 0, rotate=False, jitters=True, eps=1e-5)
    told = []
    monkeypatch.setattr(
        "walrus.training.train.compile_blocks", lambda blocks: told.append(capsys.readouterr())
    )
    _compile(objective, plan, shards, EngineSettings(compile=True))
    (before,) = told
    assert "compiling the blocks for 1 shape of micro-batches; this can take minutes" in before.err
    assert re.search(r"compiled the blocks in \d+ s; the steps run at full speed", capsys.readouterr().err)
