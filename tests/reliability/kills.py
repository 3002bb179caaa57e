"""Kills commands at random moments; the same command run again must end as the undisturbed one did.

    python tests/reliability/kills.py 100

SIGKILL for the process and all that it started, of builds (2 workers, 1 worker, tars), append and convert,
of a training with 2 ranks that writes a checkpoint per step, and of an evaluation. In a row of its own the
training is killed within 100 ms after it begins to write a checkpoint. Compared are the digests
of all files of a dataset (except the records of parts, which hold times), the losses and the weights of a
training, and the scores of an evaluation. Prints a row per command and what differed; ends with 1 where
anything did.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from result import Result, arguments, show

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from walrus.checkpoint import ModelDescription, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

TESTS = Path(__file__).parents[1]
INGEST = str(Path(sysconfig.get_path("scripts")) / "walrus-ingest")
EVALUATE = str(Path(sysconfig.get_path("scripts")) / "walrus-evaluate")
TRAINING = str(TESTS / "walrus" / "training" / "training_run.py")
RECIPE = """
name = "small"
title = "Small files"
licence = "MIT"
source = "arrays"
files = "*.npz"
axes = ["x", "y"]
layout = "n t x y"
fields = [{name = "density", stored = ["density"]}]
time = {step = 0.5}
coordinates = {x = {lower = 0.0, upper = 1.0}, y = {lower = 0.0, upper = 1.0}}
boundaries = {x = ["periodic", "periodic"], y = ["wall", "wall"]}
split = {train = 1.0, valid = 0.0, test = 0.0}
"""
BUILDS = {
    "build, 2 workers": ("--workers", "2"),
    "build, 1 worker": ("--workers", "1"),
    "build, tars": ("--workers", "1", "--format", "webdataset"),
}
FILES, APPENDED, FRAMES, SIZES = 20, 10, 8, (16, 12)
# The training of this row is killed while it writes one of its checkpoints, or shortly after.
AIMED, CHECKPOINTS, LONGEST_DELAY = "train, checkpoint", 6, 0.1


@dataclass(frozen=True)
class Case:
    """A command that writes into `out`, where a copy of `base` lies before it starts, if there is one."""

    name: str
    command: tuple[str, ...]
    out: Path
    base: Path | None = None

    def prepare(self) -> None:
        shutil.rmtree(self.out, ignore_errors=True)
        if self.base is not None:
            shutil.copytree(self.base, self.out)

    def start(self) -> subprocess.Popen[bytes]:
        """In a session of its own, so that a signal reaches all of its processes and nobody else."""
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            self.command, stdout=quiet, stderr=subprocess.PIPE, stdin=quiet, start_new_session=True
        )

    def finish(self) -> None:
        process = self.start()
        _, errors = process.communicate()
        # 3: done, bad trajectories are left out.
        if process.returncode not in (0, 3):
            raise SystemExit(f"{self.name} ended with {process.returncode}: {errors.decode()[-2000:]}")

    def killed_after(self, seconds: float) -> bool:
        """Starts the command and kills it; False where it had ended before."""
        process = self.start()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        return False

    def killed_at_checkpoint(self, step: int, delay: float) -> bool:
        """Starts a training and kills it so long after the folder of this checkpoint is begun."""
        process, begun = self.start(), self.out / "checkpoints" / f".tmp-step-{step:07d}"
        while process.poll() is None:
            if begun.exists():
                time.sleep(delay)
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return True
            time.sleep(0.0005)
        process.communicate()
        return False

    def result(self) -> dict[str, str]:
        """What has to be equal: name to digest."""
        if self.name.startswith("train"):
            lines = (self.out / "losses.jsonl").read_text().splitlines()
            found = {str(line["step"]): json.dumps(line["losses"]) for line in map(json.loads, lines)}
            return found | {"weights": digest(self.out / "weights.safetensors")}
        if self.name == "evaluate":
            return {name: digest(self.out / name) for name in ("scores.json", "scores.csv", "horizons.csv")}
        files = (path for path in self.out.rglob("*") if path.is_file() and path.parent.name != "parts")
        return {path.relative_to(self.out).as_posix(): digest(path) for path in files}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(count: int, seed: int = 0, json: Path | None = None) -> int:
    draw = random.Random(seed)
    rows: dict[str, Counter[str]] = {}
    with TemporaryDirectory() as place:
        cases = ingest_cases(Path(place)) + model_cases(Path(place))
        for case, kills in zip(cases, shared_out(count), strict=True):
            rows[case.name] = tried(case, kills, draw)
    lines = [[name, row["kills"], row["ended"], row["differ"]] for name, row in rows.items()]
    columns = ["command", "kills", "ended before", "differ"]
    show(Result.of_now(columns, lines), json)
    return 1 if any(row["differ"] for row in rows.values()) else 0


def shared_out(count: int) -> tuple[int, ...]:
    """Kills of three builds, append, convert, train twice, evaluate; a model takes ten times as long."""
    model = max(1, count // 20)
    ingest = count - 4 * model
    return ingest - 4 * (ingest // 5), *[ingest // 5] * 4, model, 2 * model, model


def tried(case: Case, kills: int, draw: random.Random) -> Counter[str]:
    """Kills at moments drawn from the time that the undisturbed command took."""
    row: Counter[str] = Counter()
    case.prepare()
    started = time.perf_counter()
    case.finish()
    lasted, expected = time.perf_counter() - started, case.result()
    for _ in range(kills):
        case.prepare()
        if case.name == AIMED:
            step, delay = draw.randint(1, CHECKPOINTS), draw.uniform(0, LONGEST_DELAY)
            moment = f"{1000 * delay:.0f} ms after checkpoint {step} was begun"
            was_killed = case.killed_at_checkpoint(step, delay)
        else:
            seconds = draw.uniform(0, lasted)
            moment, was_killed = f"after {seconds:.2f} s", case.killed_after(seconds)
        row["kills" if was_killed else "ended"] += 1
        # One that was all but done finds nothing left to do.
        if was_killed:
            case.finish()
        found = case.result()
        if found != expected:
            row["differ"] += 1
            names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            print(f"{case.name} killed {moment}: {', '.join(names[:5])} differ", file=sys.stderr)
    return row


def ingest_cases(place: Path) -> list[Case]:
    """Commands on 20 small files, 2 of which hold a bad trajectory; append adds 10."""
    recipe = place / "small.toml"
    recipe.write_text(RECIPE)
    few, all_files = place / "few", place / "all"
    write_files(few, FILES)
    write_files(all_files, FILES + APPENDED)
    builds = []
    for name, options in BUILDS.items():
        root = place / name.replace(" ", "-")
        command = (INGEST, "build", str(recipe), "--from", str(few), "--to", str(root), *options)
        builds.append(Case(name, command, root))
    builds[0].prepare()
    builds[0].finish()
    base = shutil.copytree(builds[0].out, place / "base")
    grown, converted = place / "grown", place / "converted"
    more = ("--from", str(all_files), "--to", str(grown), "--workers", "2")
    other = ("--format", "webdataset", "--to", str(converted))
    return [
        *builds,
        Case("append", (INGEST, "append", str(recipe), *more), grown, base),
        Case("convert", (INGEST, "convert", str(base / "small"), *other), converted),
    ]


def write_files(folder: Path, count: int) -> None:
    """One trajectory each, no two alike; every tenth holds a value that is not finite."""
    folder.mkdir()
    random_numbers = np.random.default_rng(0)
    for number in range(count):
        density = random_numbers.normal(size=(1, FRAMES, *SIZES)).astype("f4")
        if number % 10 == 9:
            density[0, 3, 2, 1] = np.nan
        np.savez(folder / f"run_{number:05d}.npz", density=density)


def model_cases(place: Path) -> list[Case]:
    """A training of 6 steps on two samples of the repository; an evaluation of a model without training."""
    root, run = place / "samples", place / "model"
    for name in ("acoustic_scattering_discontinuous", "MHD_64"):
        plan = plan_build(find_recipe(name), TESTS / "samples" / "well" / name, "zarr", "lz4")
        build(plan, root, Resources(1))
    settings = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)
    torch.manual_seed(0)
    description = ModelDescription(settings, PUBLISHED.names, 3, 3, 1e-5, True, 7, 0, ("MHD_64",))
    save_model(run, description, Walrus(settings, len(PUBLISHED)).state_dict())
    trained, scored = place / "trained", place / "scored"
    training = (sys.executable, TRAINING, str(root), str(trained), "--ranks", "2", "--checkpoint-every", "1")
    scoring = (EVALUATE, str(run), "MHD_64", "--root", str(root), "--out", str(scored), "--longest", "2")
    return [
        Case("train", training, trained),
        Case(AIMED, training, trained),
        Case("evaluate", (*scoring, "--start", "3"), scored),
    ]


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100)
    options = parser.parse_args()
    sys.exit(main(options.count, json=options.json))
