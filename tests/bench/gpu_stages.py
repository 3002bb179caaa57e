"""One stage of gpu_session.py in a process of its own.

    python tests/bench/gpu_stages.py step --out FOLDER
    python tests/bench/gpu_stages.py losses --out FOLDER --reference  on a CPU: writes tiny_losses.json

The last one is what the stage `losses` compares with.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

import torch

# For a machine where the project is not installed.
sys.path.insert(0, str(Path(__file__).parents[2]))

from gpu_common import Session, write

# The module of each stage. It is imported by that stage alone: a package that is missing costs few of them.
STAGES = {
    "card": "gpu_network",
    "golden": "gpu_network",
    "step": "gpu_network",
    "eager": "gpu_network",
    "profile": "gpu_kernels",
    "attention": "gpu_kernels",
    "loader": "gpu_training",
    "losses": "gpu_training",
    "small": "gpu_network",
    "lora": "gpu_network",
    "checkpoint": "gpu_network",
    "graphs": "gpu_kernels",
    "waits": "gpu_training",
    "muon": "gpu_kernels",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--reference", action="store_true")
    options = parser.parse_args()
    session = Session(options.out, options.golden, options.rehearse or options.reference)
    # As runs without `engine.tf32` do; torch rounds products of matrices only if asked, convolutions always.
    torch.backends.cudnn.allow_tf32 = False
    module = import_module(STAGES[options.stage])
    if options.reference:
        module.write_reference(session)
    else:
        write(session, options.stage, getattr(module, options.stage)(session))


if __name__ == "__main__":
    main()
