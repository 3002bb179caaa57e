"""One stage of gpu_session.py in a process of its own.

    python tests/bench/gpu_stages.py step --out FOLDER
    python tests/bench/gpu_stages.py losses --out FOLDER --reference  on a CPU: writes tiny_losses.json

The last one is what the stage `losses` compares with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# For a machine where the project is not installed.
sys.path.insert(0, str(Path(__file__).parents[2]))

from gpu_common import Session, write
from gpu_kernels import attention, graphs, muon, profile
from gpu_network import card, checkpoint, golden, lora, small, step
from gpu_training import loader, losses, waits, write_reference

STAGES = {
    "card": card,
    "golden": golden,
    "step": step,
    "profile": profile,
    "attention": attention,
    "loader": loader,
    "losses": losses,
    "small": small,
    "lora": lora,
    "checkpoint": checkpoint,
    "graphs": graphs,
    "waits": waits,
    "muon": muon,
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
    if options.reference:
        write_reference(session)
    else:
        write(session, options.stage, STAGES[options.stage](session))


if __name__ == "__main__":
    main()
