"""What is used of DeepSpeed's inside is checked when an engine starts."""

from importlib import import_module
from pathlib import Path

import pytest

from shards.errors import MismatchError
from tests.walrus.training.own_process import run_script
from walrus.training.deepspeed_fence import NAMES, OF_OPTIMIZER, check_optimizer, load_deepspeed


@pytest.mark.parametrize("module", [name for name in NAMES if name != "deepspeed.ops"])
def test_a_version_without_a_name_is_refused_in_one_sentence(monkeypatch, module):
    load_deepspeed()
    (name,) = NAMES[module]
    monkeypatch.delattr(import_module(module), name)
    words = f"DeepSpeed .*: {module} has no {name}; install the version that was tried: deepspeed==0.19"
    with pytest.raises(MismatchError, match=words):
        load_deepspeed()


def test_without_a_gpu_no_compiler_is_loaded():
    loaded = run_script(Path(__file__).with_name("modules_run.py")).stdout.split()
    assert "deepspeed.runtime.zero.muon.original_muon" in loaded
    assert "torch._inductor.compile_fx" not in loaded


def test_an_optimiser_without_its_tables_is_refused():
    class Empty:
        pass

    check_optimizer(Empty(), 0, [])
    for stage in (1, 2, 3):
        with pytest.raises(MismatchError, match=f"optimiser of ZeRO {stage} has no {OF_OPTIMIZER[stage][0]}"):
            check_optimizer(Empty(), stage, [])
