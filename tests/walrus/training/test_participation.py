"""A parameter without part in a step, next to torch's optimiser where `grad is None`; on two ranks."""

from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from deepspeed.runtime.zero.muon import original_muon
from torch.nn.utils import clip_grad_norm_

from tests.walrus.training.own_process import run_script
from tests.walrus.training.participation_run import RANKS, RATE, STEPS, inputs, module, settings, stage_of
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.run_checkpoint import RunCheckpoint

SCRIPT = Path(__file__).with_name("participation_run.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two ranks, eight steps, two resumes each: see the script."""
    folder = tmp_path_factory.mktemp("participation")
    done = run_script(SCRIPT, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def gradients(network, step, shard):
    """Mean over micro-batches and ranks; None for a parameter without part."""
    network.zero_grad(set_to_none=True)
    for number, stem in enumerate(STEPS[step]):
        for rank in range(1 if shard else RANKS):
            share = len(STEPS[step]) * (1 if shard else RANKS)
            (network(stem, inputs(step, number, stem, rank)) / share).backward()


class PlainMuon:
    """Momentum and orthogonal updates, by DeepSpeed's function, for each matrix that has a gradient."""

    def __init__(self, matrices, chosen):
        self.matrices, self.chosen = matrices, chosen
        self.momenta = {}

    def step(self, clip):
        updates = {}
        for name, matrix in self.matrices.items():
            if matrix.grad is not None:
                momentum = self.momenta.setdefault(name, torch.zeros_like(matrix))
                updates[name] = original_muon.muon_update(
                    matrix.grad, momentum, self.chosen.muon_momentum, ns_method="standard"
                )
        for name, update in updates.items():
            self.matrices[name].grad = update
        clip()
        rate = RATE * self.chosen.muon_factor
        for name in updates:
            matrix = self.matrices[name]
            matrix.data.mul_(1 - rate * self.chosen.weight_decay).add_(matrix.grad, alpha=-rate)


def reference(last, optimizer="adamw", shard=0, stage=3):
    """Weights, moments, counts and norms after each step by torch's AdamW, parameter by parameter."""
    # Without this, Muon's function would be compiled.
    load_deepspeed()
    network, chosen = module(), settings(0, optimizer, 0)
    names = dict(network.named_parameters())
    matrices = {name: value for name, value in names.items() if value.ndim == 2 and optimizer == "muon"}
    others = [value for name, value in names.items() if name not in matrices]
    adam = torch.optim.AdamW(
        others, lr=RATE, betas=chosen.betas, eps=chosen.eps, weight_decay=chosen.weight_decay
    )
    muon = PlainMuon(matrices, chosen)
    norms = []
    for step in range(last):
        gradients(network, step, shard)
        # Whole matrices, under ZeRO 0, are made orthogonal in single precision.
        precision = torch.bfloat16 if stage_of(stage, step) else torch.float32
        with patch.object(original_muon, "ns_compute_dtype", lambda method, chosen=precision: chosen):
            muon.step(lambda: norms.append(float(clip_grad_norm_(list(names.values()), chosen.clip))))
        adam.step()
    return names, adam.state, muon.momenta, norms


def check(folder, expected, rel):
    """Compares weights, moments and count of every parameter; the norm of the last step."""
    names, adam, momenta, _ = expected
    saved = RunCheckpoint.last(folder)
    for name, value in names.items():

        def agrees(kind, wanted, size, name=name):
            found = saved.read(kind, name, 0, size.numel())
            torch.testing.assert_close(found, wanted.detach().flatten(), rtol=rel, atol=rel * 1e-2, msg=name)

        agrees("weight", value, value)
        if name in momenta:
            agrees("momentum_buffer", momenta[name], value)
        else:
            agrees("exp_avg", adam[value]["exp_avg"], value)
            agrees("exp_avg_sq", adam[value]["exp_avg_sq"], value)
            assert saved.checkpoint.updates_of(name) == int(adam[value]["step"]), name
    return saved.checkpoint.identity["norms"]["7"]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_adamw_equals_that_of_torch_parameter_by_parameter(folder, stage):
    expected = reference(len(STEPS))
    assert check(folder / f"adamw-{stage}", expected, rel=1e-4) == pytest.approx(expected[3][7], rel=1e-5)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_muon_and_its_adamw_leave_idle_parameters_as_they_are(folder, stage):
    # DeepSpeed makes updates orthogonal in bfloat16: the order of a sum may show.
    expected = reference(len(STEPS), "muon", stage=stage)
    norm = check(folder / f"muon-{stage}", expected, rel=1e-2)
    if stage > 0:
        assert norm == pytest.approx(expected[3][7], rel=1e-3)


def test_two_groups_with_different_stems_count_a_part_on_either(folder):
    expected = reference(len(STEPS), shard=1)
    assert check(folder / "groups", expected, rel=1e-4) == pytest.approx(expected[3][7], rel=1e-5)


def test_counts_differ_where_parts_differ(folder):
    counts = RunCheckpoint.last(folder / "adamw-1").checkpoint.updates
    assert counts == {
        **dict.fromkeys(("scale", "trunk.weight"), 8),
        **dict.fromkeys(("stems.plane.weight", "stems.plane.bias"), 6),
        **dict.fromkeys(("stems.volume.weight", "stems.volume.bias"), 4),
    }


@pytest.mark.parametrize("name", ["adamw-0", "adamw-1", "adamw-2", "adamw-3", "muon-0", "muon-1", "muon-3"])
def test_an_idle_stem_keeps_every_bit(folder, name):
    """The last step reads no volume."""
    before, after = (RunCheckpoint(folder / name / f"step-000000{step}") for step in (7, 8))
    kinds = ("weight", "momentum_buffer" if name.startswith("muon") else "exp_avg")
    for kind in kinds:
        kept = {
            stem: torch.equal(*(saved.read(kind, f"stems.{stem}.weight", 0, 21) for saved in (before, after)))
            for stem in ("plane", "volume")
        }
        assert kept == {"plane": False, "volume": True}, kind


@pytest.mark.parametrize("name", ["adamw-0", "adamw-1", "adamw-2", "adamw-3", "groups"])
def test_two_ranks_that_go_on_read_each_element_once_and_about_half_each(folder, name):
    """Two moments and the weights of 79 elements; whether ranks share a state or each has a copy."""
    read = RunCheckpoint.last(folder / name).checkpoint.identity["read"]
    elements = sum(value.numel() for value in module().parameters())
    assert sum(read.values()) == 3 * elements
    assert max(read.values()) < 2.2 * elements
