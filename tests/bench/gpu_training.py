"""Stages of gpu_session.py that train on shards: does the loader feed the card, are losses those of a CPU?"""

from __future__ import annotations

import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gpu_common import Rows, Session, write
from gpu_trace import hidden_share, kernels, traced

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from walrus.batch import Batch
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.reading.plan import MicroBatch, StreamSettings
from walrus.reading.stream import Shards, plan_stream, stream
from walrus.training.objective import TrainingObjective
from walrus.training.prefetch import prefetch_to_device
from walrus.vocabulary import PUBLISHED

SAMPLES = Path(__file__).parents[1] / "samples" / "well"
REFERENCE = Path(__file__).with_name("tiny_losses.json")
SYSTEMS = ("shear_flow", "gray_scott_reaction_diffusion", "MHD_64")
FED, FED_IN_REHEARSAL = 40, 1
TRACED, TRACED_IN_REHEARSAL = 2, 1
# How CUDA calls a copy from the host.
TO_CARD = "memcpy htod"
WATCHED, WATCHED_IN_REHEARSAL = 5, 1
# Losses are compared by their means over stretches of steps.
STEPS, STRETCHES = 600, 6
STEPS_IN_REHEARSAL = 20


@dataclass(frozen=True)
class Run:
    """A network with its loss and its optimiser, and the micro-batches that it is to see."""

    objective: TrainingObjective
    optimizer: torch.optim.Optimizer
    batches: Iterator[tuple[MicroBatch, Batch]]

    def learn(self, loss: torch.Tensor) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), 100.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def start(session: Session, preset: str, seed: int, steps: int) -> Run:
    """A run on three sample systems, built first."""
    root = session.out / "shards"
    for name in SYSTEMS:
        build(plan_build(find_recipe(name), SAMPLES / name, "zarr", "lz4"), root, Resources(1))
    shards = Shards.open(root, SYSTEMS)
    settings = StreamSettings(
        1, windows_2d=2, windows_3d=2, history_2d=4, history_3d=4, largest_stride=1, rotate=False
    )
    plan = plan_stream(shards, dict.fromkeys(SYSTEMS, 1), settings, seed, cost_of(PRESETS[preset]))
    vocabulary = PUBLISHED.extend(shards.channels)
    torch.manual_seed(seed)
    network = Walrus(PRESETS[preset], len(vocabulary))
    objective = TrainingObjective(network, vocabulary, seed, rotate=False, jitters=True, eps=1e-5)
    objective = objective.to(session.device)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3, betas=(0.9, 0.99))
    return Run(objective, optimizer, stream(plan, shards, 0, steps))


def loader(session: Session) -> dict[str, Any]:
    """Windows from shards to the card next to a network that computes: how much of the time it waits for
    them.
    """
    rows: Rows = []
    for ahead in (False, True):
        windows, waited, whole, hidden = _fed(session, ahead)
        rows.append(
            {
                "batches": "copied ahead, pinned, on a stream of their own"
                if ahead
                else "copied when needed",
                "windows/s": windows / whole,
                "waiting for data %": 100 * waited / whole,
                "copies onto the card hidden behind other work %": hidden,
            }
        )
        # A session may be cut off in the next row.
        write(session, "loader", {"rows": rows})
    return {"rows": rows}


def _fed(session: Session, ahead: bool) -> tuple[int, float, float, float | str]:
    """Windows trained on, seconds of waiting and of all, and how much of the copies is hidden, in per cent.

    The first micro-batch warms up; the last ones are watched by a profiler, and not timed.
    """
    fed, watched = (FED_IN_REHEARSAL, TRACED_IN_REHEARSAL) if session.rehearse else (FED, TRACED)
    run = start(session, "tiny" if session.rehearse else "small", seed=3, steps=1 + fed + watched)
    batches = prefetch_to_device(run.batches, session.device) if ahead else run.batches

    def feed() -> tuple[int, float]:
        asked = time.perf_counter()
        micro, batch = next(batches)
        there = batch if ahead else batch.to(session.device)
        waited = time.perf_counter() - asked
        with torch.autocast(session.device.type, torch.bfloat16):
            loss = run.objective(there, micro.number)
        run.learn(loss)
        return len(micro.windows), waited

    feed()
    session.synchronise()
    began = time.perf_counter()
    seen = [feed() for _ in range(fed)]
    session.synchronise()
    whole = time.perf_counter() - began
    ran = list(kernels(session, traced(session, lambda: [feed() for _ in range(watched)])))
    copies = [kernel for kernel in ran if TO_CARD in kernel.name]
    share = hidden_share(copies, [kernel for kernel in ran if TO_CARD not in kernel.name])
    windows, waited = (sum(column) for column in zip(*seen, strict=True))
    return int(windows), waited, whole, "unknown" if share is None else 100 * share


def waits(session: Session) -> dict[str, Any]:
    """Where a step waits for the card, by the lines that CUDA's debug mode names; none on a CPU."""
    steps = WATCHED_IN_REHEARSAL if session.rehearse else WATCHED
    run = start(session, "tiny", seed=3, steps=2 + steps)
    batches = prefetch_to_device(run.batches, session.device)
    seen: list[warnings.WarningMessage] = []
    for number in range(2 + steps):
        # The first steps make the optimiser's state and choose kernels.
        watched = number >= 2 and not session.rehearse
        if not session.rehearse:
            torch.cuda.set_sync_debug_mode("warn" if watched else "default")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            micro, batch = next(batches)
            with torch.autocast(session.device.type, torch.bfloat16):
                loss = run.objective(batch, micro.number)
            run.learn(loss)
        seen += told if watched else []
    places = Counter(
        f"{Path(each.filename).name}:{each.lineno}" for each in seen if "synchroniz" in str(each.message)
    )
    rows: Rows = [
        {"waits for the card at": place, "a step": count / steps} for place, count in places.items()
    ]
    return {"rows": [*rows, {"waits for the card at": "all", "a step": sum(places.values()) / steps}]}


def losses(session: Session) -> dict[str, Any]:
    """`tiny` for 600 steps in single precision: the mean loss of each hundred, next to that of a CPU.

    A rehearsal compares the first 20 steps alone.
    """
    expected = json.loads(REFERENCE.read_text(encoding="utf-8"))
    steps, stretches = (STEPS_IN_REHEARSAL, 1) if session.rehearse else (STEPS, STRETCHES)
    rows: Rows = []
    for stretch, mean in mean_losses(session, steps, stretches).items():
        ratio = mean / expected[stretch]
        rows.append(
            {
                "steps": stretch,
                "loss": mean,
                "loss on a CPU": expected[stretch],
                "ratio": ratio,
                "holds": abs(ratio - 1) < 0.1,
            }
        )
    return {"rows": rows}


def mean_losses(session: Session, steps: int, stretches: int) -> dict[str, float]:
    """The mean loss of each of so many equal stretches of the steps, by "first-last"."""
    run = start(session, "tiny", seed=7, steps=steps)
    found = []
    for micro, batch in run.batches:
        loss = run.objective(batch.to(session.device), micro.number)
        run.learn(loss)
        found.append(loss.detach())
    means = torch.stack(found).cpu().view(stretches, -1).mean(dim=1)
    length = steps // stretches
    return {
        f"{number * length}-{(number + 1) * length - 1}": float(mean) for number, mean in enumerate(means)
    }


def write_reference(session: Session) -> None:
    """Writes the losses of this CPU, for later sessions on a card to be compared with."""
    means = mean_losses(session, STEPS_IN_REHEARSAL, 1) | mean_losses(session, STEPS, STRETCHES)
    REFERENCE.write_text(json.dumps(means, indent=1) + "\n", encoding="utf-8")
