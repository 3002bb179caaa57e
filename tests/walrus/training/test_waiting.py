"""What makes the host wait for a GPU, counted on a machine without one."""

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shards.schema import Boundary, FieldSpec, Grid, Schema
from tests.walrus.training.asking import asking
from tests.walrus.training.own_process import run_script
from walrus.batch import embed
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.objective import TrainingObjective
from walrus.training.parameter_slot import ParameterSlot
from walrus.training.participation import ParticipatingAdamW, Participation
from walrus.vocabulary import PUBLISHED

RUN = Path(__file__).with_name("waiting_run.py")
# Drawn on the CPU, also where there is a GPU.
DRAWS = {"augment.py: draw_rotation", "model/random_draws.py: _below"}
# Its tensors have shapes alone. To look at a number there, or to copy from there, is an error of torch's.
GPU = torch.device("meta")
MODEL = ModelSettings(
    hidden=32, heads=2, inner=4, mlp=32, blocks=2, drop_path=0.5, cell_flags=True, checkpoint_every=2
)


class Copies(TorchDispatchMode):
    """Counts who copies tensors onto the GPU so that the host waits."""

    def __init__(self):
        super().__init__()
        self.waits = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        hosts = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor) and leaf.device != GPU]
        if hosts and kwargs.get("device") == GPU and not kwargs.get("non_blocking"):
            self.waits[asking()] += 1
        return func(*args, **kwargs)


class Lists(TorchFunctionMode):
    """Counts who makes a tensor on the GPU of numbers in a list, which waits as well."""

    def __init__(self):
        super().__init__()
        self.waits = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        makes = func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == GPU
        picks = func is torch.Tensor.__getitem__ and args[0].device == GPU and isinstance(args[1], list)
        if makes or picks:
            self.waits[asking()] += 1
        return func(*args, **kwargs)


def batch_of(frames, shape, sides):
    axes = ("x", "y", "z")[: len(shape)]
    grid = Grid(axes, tuple(tuple(map(float, range(size))) for size in shape), "cartesian")
    schema = Schema((FieldSpec("pressure", 0), FieldSpec("velocity", 1)), grid, sides[: len(shape)])
    cells = torch.zeros(2, *shape, dtype=torch.uint8)
    fields = torch.zeros(2, frames, 1 + 3, *shape)
    return embed("flow", schema, (1.0, *[2.0] * len(shape)), (), fields, torch.zeros(2, 0, *shape), cells)


@pytest.mark.parametrize("shape", [(40, 32), (24, 16, 20)])
def test_a_pass_forward_and_backward_never_waits_for_the_gpu(shape, monkeypatch):
    # Torch has no autocast for a device without data.
    monkeypatch.setattr("torch.autocast", lambda *_, **__: nullcontext())
    with GPU:
        network = Walrus(MODEL, len(PUBLISHED))
    objective = TrainingObjective(network, PUBLISHED, 0, rotate=True, jitters=True, eps=1e-5).train()
    sides = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.WALL,) * 2)
    batch = batch_of(4, shape, sides)
    with Copies() as copies, Lists() as lists:
        # Several numbers, since each draws another rotation.
        for number in range(2):
            loss = objective(batch.to(GPU), number)
            loss.backward()
    assert copies.waits + lists.waits == Counter()
    with pytest.raises(RuntimeError, match="meta tensors"):
        float(loss.detach())


def test_the_optimiser_never_waits_for_the_gpu():
    first, second = (nn.Parameter(torch.empty(size, device=GPU)) for size in (6, 4))
    participation = Participation({"first": first, "second": second})
    flat = nn.Parameter(torch.empty(10, device=GPU))
    participation.slots[flat] = [
        ParameterSlot("first", first, flat, 0, 0, 6),
        ParameterSlot("second", second, flat, 6, 0, 4),
    ]
    participation.active = {"first", "second"}
    group = {"params": [flat], "lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
    optimizer = ParticipatingAdamW([group], participation)
    flat.grad = torch.empty_like(flat)
    with Copies() as copies, Lists() as lists:
        optimizer.step()
    assert copies.waits + lists.waits == Counter()


@pytest.mark.slow
def test_a_training_step_looks_at_numbers_in_one_place_its_end(root, tmp_path):
    options = ["--optimizer", "adamw", "--stage", "1", "--stop-at", "3"]
    done = run_script(RUN, root, tmp_path, *options)
    assert done.returncode == 0, done.stderr
    looks = json.loads(done.stdout.splitlines()[-1])
    of_training = {place: count for place, count in looks.items() if place.startswith("training/")}
    reading = {place for place in of_training if "run_checkpoint" in place}
    # Three steps of two micro-batches. Forward and backward passes look at nothing.
    assert of_training.keys() - reading == {
        "training/train.py: _step",
        "training/distributed.py: sum_over_ranks",
        "training/engine.py: step",
    }
    # The losses of all micro-batches at once; whether the gradient is finite, and its norm.
    assert of_training["training/train.py: _step"] == 3
    assert of_training["training/engine.py: step"] == 3 * 3
    # Losses, then signals; and once for the sizes of the files, once or more at the end of the run.
    assert 3 * 2 <= of_training["training/distributed.py: sum_over_ranks"] <= 3 * 2 + 5
    assert {place for place in looks if not place.startswith("training/")} - DRAWS <= {
        "weights_file.py: _bytes"
    }
