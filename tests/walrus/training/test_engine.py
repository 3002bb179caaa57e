import json
import math
from pathlib import Path

import pytest
import torch

from shards.errors import SettingsError
from shards.program.settings import make
from shards.remote import SILENCE, WAITS
from tests.walrus.training.own_process import run_script
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.engine import allow_tf32, by_rate
from walrus.training.engine_settings import EngineSettings, deepspeed_config
from walrus.training.lora import adapt


def test_products_are_exact_unless_tf32_is_asked_for():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    assert not EngineSettings().tf32
    for allowed, precision in ((True, "high"), (False, "highest")):
        allow_tf32(allowed)
        assert torch.get_float32_matmul_precision() == precision
        assert torch.backends.cudnn.allow_tf32 == allowed
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]


def test_the_blocks_have_a_rate_of_their_own_and_what_rests_has_none():
    network = Walrus(ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2), 67)
    adapt(network.blocks, 2)
    learning = {parameter for parameter in network.parameters() if parameter.requires_grad}
    blocks = {parameter for parameter in network.blocks.parameters() if parameter.requires_grad}
    slow, fast = by_rate(network, list(network.parameters()), EngineSettings(blocks_factor=0.1), muon=True)
    assert (slow["factor"], fast["factor"]) == (1.0, 10.0)
    assert set(slow["params"]) == blocks
    assert set(fast["params"]) == learning - blocks
    (one,) = by_rate(network, list(network.parameters()), EngineSettings())
    assert one["factor"] == 1.0
    assert one["params"] == [parameter for parameter in network.parameters() if parameter.requires_grad]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"zero_stage": 2, "mics_shard_size": 4}, "mics_shard_size is for zero_stage 3"),
        ({"zero_stage": 3, "compile": True}, "compile cannot see the weights that zero_stage 3 gathers"),
        ({"zero_stage": 0, "offload": "optimizer"}, "offload needs zero_stage 1, 2 or 3"),
        ({"zero_stage": 2, "offload": "optimizer", "optimizer": "muon"}, "optimizer adamw"),
        ({"ema": 1.0}, "less than 1"),
    ],
)
def test_settings_that_do_not_work_together_are_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        make(EngineSettings, settings, "engine")


def test_what_needs_a_gpu_is_refused_without_one():
    for settings in (EngineSettings(compile=True), EngineSettings(offload="optimizer")):
        settings.check_machine(gpu=True)
        with pytest.raises(SettingsError, match="there is none; set it to"):
            settings.check_machine(gpu=False)


def test_where_the_state_lies_is_no_part_of_what_a_run_is():
    here, there = EngineSettings(zero_stage=1), EngineSettings(zero_stage=3, mics_shard_size=2)
    assert here.identity == there.identity
    assert EngineSettings(ema=0.9).identity != here.identity
    assert EngineSettings(autocast="bfloat16").identity != here.identity


def test_gradients_are_never_summed_in_half_precision():
    config = deepspeed_config(EngineSettings(autocast="bfloat16"), 4, 1000)
    assert config["torch_autocast"]["lower_precision_safe_modules"] == []


def test_without_zero_deepspeed_does_not_clip_by_a_default_of_its_own():
    assert deepspeed_config(EngineSettings(zero_stage=0, clip=100.0), 4, 1000)["gradient_clipping"] == 0
    assert deepspeed_config(EngineSettings(zero_stage=1, clip=100.0), 4, 1000)["gradient_clipping"] == 100


@pytest.fixture(scope="module")
def placed():
    """What engine_run.py tells of ZeRO 0 to 3, of offload under 1 to 3, and of a sharding group."""
    script = Path(__file__).with_name("engine_run.py")
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 8
    return lines


def test_a_gradient_that_is_not_finite_is_told_and_changes_nothing_at_any_stage(placed):
    for line in placed:
        assert line["finite"] == [True, True, False]
        assert all(math.isfinite(loss) for loss in line["losses"])
        assert set(line["updates"].values()) == {2}
        # Two steps of AdamW at a rate of 0.01, along a gradient of ones.
        assert line["state"]["weight weight"] == pytest.approx([0.98] * 5)


def test_all_groups_of_ranks_wait_as_long_as_the_recipe_says(placed):
    """DeepSpeed makes one of its own, MiCS three more."""
    for line in placed:
        assert set(line["waits"]) == {7 * 60}
    assert len(placed[-1]["waits"]) > len(placed[0]["waits"]) > 1


def test_a_rank_that_cannot_reach_a_server_says_so_before_the_others_take_it_for_lost():
    assert (len(WAITS) + 1) * SILENCE + sum(WAITS) < EngineSettings().wait_minutes * 60 / 4


def test_every_placement_has_the_same_state_to_save(placed):
    first, *others = placed
    assert {name.split()[0] for name in first["state"]} == {"weight", "average", "exp_avg", "exp_avg_sq"}
    for line in others:
        assert line["state"].keys() == first["state"].keys()
        for name, values in line["state"].items():
            assert values == pytest.approx(first["state"][name], rel=1e-6), name
