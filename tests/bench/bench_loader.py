"""Windows per second of every loader on the same windows, next to the limit: copying them within memory.

    python tests/bench/bench_loader.py --peers build/peers     install the peers there, and compare with them
    python tests/bench/bench_loader.py                         without: ours, h5py, zarr-python, webdataset
    python tests/bench/bench_loader.py --json results.json

Windows of 7 frames, stride 1 to 5, end to end into a torch tensor. Every reader has its own processes and is
measured in turn with the limit, so that other work on the machine slows both; the best of all rounds counts.
Before that, each frame of some windows is compared with the source, value by value.

    1, 2       processes; WellDataset uses DataLoader workers instead (0, 2)
    tuned      one process that keeps freed memory (shards/program/machine.py)
    cold       one process, files dropped from memory before
    CPU        windows per second of processor time, all threads of one process, and the same of the limit,
               in turn: other work on the machine changes this ratio least
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import IO, Any

import numpy as np
from loader_data import CASES, KEPT_BITS, SMALL_CASES, Case, frame_sums, make
from loader_readers import BATCH, READERS

from shards.codec import rounded

HERE = Path(__file__).parent
LIMIT = "memory copy (the limit)"
WELL = "WellDataset, DataLoader"
# The module that each of them needs, and where it is to be found.
PEERS = {
    WELL: "the_well",
    "tensorstore, raw": "tensorstore",
    "tensorstore, lz4": "tensorstore",
    "mosaicml-streaming, one frame per record": "streaming",
    "litdata, one frame per record": "litdata",
}


class ReaderError(Exception):
    """A process ended instead of answering."""


class Process:
    """One process that reads windows when asked."""

    def __init__(self, name: str, python: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
        script = str(HERE / "loader_readers.py")
        self.popen = subprocess.Popen(
            [python, script, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def send(self, request: dict[str, Any]) -> None:
        self._stdin.write(json.dumps(request) + "\n")
        self._stdin.flush()

    def receive(self) -> float:
        line = self._stdout.readline()
        if not line:
            last = self.popen.communicate()[1].strip().splitlines()[-1:]
            raise ReaderError("".join(last) or "ended without a word")
        return 0.0 if line == "ready\n" else float(json.loads(line))

    @property
    def _stdin(self) -> IO[str]:
        assert self.popen.stdin is not None
        return self.popen.stdin

    @property
    def _stdout(self) -> IO[str]:
        assert self.popen.stdout is not None
        return self.popen.stdout


@contextmanager
def processes(name: str, python: str, number: int) -> Iterator[list[Process]]:
    """So many, started and ready."""
    started = [Process(name, python) for _ in range(number)]
    try:
        for process in started:
            process.receive()
        yield started
    finally:
        for process in started:
            process.popen.kill()
            process.popen.communicate()


def ask(group: Sequence[Process], **request: Any) -> float:
    """The sum of their answers to the same request at the same time."""
    for process in group:
        process.send(request)
    return sum([process.receive() for process in group])


@dataclass(frozen=True)
class Result:
    """Windows per second of one reader, and the limit's that was measured in turn with it; `cold` without."""

    reader: str
    case: str
    one: float
    one_limit: float
    two: float
    two_limit: float
    tuned: float
    tuned_limit: float
    cold: float
    processor: float
    processor_limit: float
    megabytes_per_window: float


class Bench:
    """The readers of one machine on the data in one folder."""

    def __init__(self, data: Path, cases: Sequence[Case], seconds: float, rounds: int) -> None:
        self.data, self.cases, self.seconds, self.rounds = data, cases, seconds, rounds
        for case in cases:
            make(case, data / case.name)

    def measure(self, name: str, python: str, limit: Sequence[Process]) -> list[Result]:
        """Every case for one reader."""
        with processes(name, python, 2) as pair:
            for case in self.cases:
                self._check(name, case, pair[0])
            plain = {
                case: (self._best(name, case, pair, limit, 1), self._best(name, case, pair, limit, 2))
                for case in self.cases
            }
            cold = {case: self._cold(case, pair[0]) for case in self.cases}
            spent = {case: self._spent(case, pair[0], limit[0]) for case in self.cases}
            ask(pair[:1], **self._request("tune", self.cases[0]))
            tuned = {case: self._best(name, case, pair, limit, 1) for case in self.cases}
        return [
            Result(
                name,
                case.name,
                *plain[case][0],
                *plain[case][1],
                *tuned[case],
                cold[case],
                *spent[case],
                case.window_bytes / 1e6,
            )
            for case in self.cases
        ]

    def _request(self, do: str, case: Case, **more: Any) -> dict[str, Any]:
        return {"do": do, "folder": str(self.data / case.name), "workers": 0, **more}

    def _check(self, name: str, case: Case, process: Process) -> None:
        number = min(8, case.windows)
        sums = source_sums(self.data / case.name, "rounded" in name)
        equal = ask([process], **self._request("check", case, windows=number, sums=sums))
        assert equal == number * 7, f"{name}: {equal} frames of {number} windows compared"

    def _best(
        self, name: str, case: Case, pair: Sequence[Process], limit: Sequence[Process], number: int
    ) -> tuple[float, float]:
        """(reader, limit), in turn."""
        time = self._request("time", case, seconds=self.seconds, windows=BATCH)
        own = name == WELL and number == 2
        found, bound = [], []
        for _ in range(self.rounds):
            bound.append(ask(limit[:number], **time))
            found.append(ask(pair[: 1 if own else number], **(time | {"workers": 2 if own else 0})))
        return max(found), max(bound)

    def _spent(self, case: Case, process: Process, limit: Process) -> tuple[float, float]:
        """(reader, limit) in windows per second of processor time: medians, in turn."""
        request = self._request("processor", case, seconds=self.seconds, windows=BATCH)
        pairs = [(ask([process], **request), ask([limit], **request)) for _ in range(self.rounds)]
        found, bound = zip(*pairs, strict=True)
        return median(found), median(bound)

    def _cold(self, case: Case, process: Process) -> float:
        drop(self.data / case.name)
        return ask([process], **self._request("cold", case, windows=min(24, case.windows)))


@cache
def source_sums(folder: Path, is_rounded: bool) -> list[list[int]]:
    """What the words of each frame [N, T] add up to."""
    fields = np.load(folder / "frames.npy", mmap_mode="r")
    sums: list[list[int]] = frame_sums(rounded(fields, KEPT_BITS) if is_rounded else fields).tolist()
    return sums


def drop(folder: Path) -> None:
    """Has the system forget the contents of all files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def install(folder: Path) -> str:
    """The Python of an environment with the peers, made where it is not there yet."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing the peers in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements-peers.txt"], check=True
        )
    return str(python)


def available(python: str | None, module: str) -> bool:
    return (
        bool(python)
        and subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode
        == 0
    )


def table(results: Sequence[Result], case: Case) -> str:
    """Markdown."""
    rows = [result for result in results if result.case == case.name]
    well = next((row for row in rows if row.reader == WELL), None)
    shape = " x ".join(map(str, case.frame_shape))
    lines = [
        f"### {case.name}: windows of 7 x {shape}, {case.window_bytes / 1e6:.1f} MB",
        "",
        "| reader | windows/s | MB/s | of limit | x WellDataset "
        "| 2 processes | tuned | of limit | cold | CPU | of limit |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            row.reader,
            f"{row.one:.0f}",
            f"{row.one * row.megabytes_per_window:.0f}",
            f"{row.one / row.one_limit:.0%}",
            f"{row.one / row.one_limit / (well.one / well.one_limit):.1f}" if well else "",
            f"{row.two:.0f}",
            f"{row.tuned:.0f}",
            f"{row.tuned / row.tuned_limit:.0%}",
            f"{row.cold:.0f}",
            f"{row.processor:.0f}",
            f"{row.processor / row.processor_limit:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=Path, help="the environment of the peers; made where it is not there")
    parser.add_argument("--data", type=Path, help="where the fields are kept for the next time; about 9 GB")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--readers", nargs="+", help="words, one of which is in the name of a reader")
    parser.add_argument("--small", action="store_true", help="tiny fields, to try the script")
    options = parser.parse_args()
    cases = SMALL_CASES if options.small else CASES
    python = install(options.peers) if options.peers else None
    results: list[Result] = []
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(data, cases, options.seconds, options.rounds)
        limit = stack.enter_context(processes(LIMIT, sys.executable, 2))
        for name in READERS:
            if options.readers and not any(word in name for word in options.readers):
                continue
            module = PEERS.get(name)
            if module and not available(python, module):
                print(f"{name}: not installed, left out (--peers FOLDER)", file=sys.stderr)
                continue
            try:
                results += bench.measure(name, python if module and python else sys.executable, limit)
                print(f"measured {name}", file=sys.stderr)
            except ReaderError as error:
                if not module:
                    raise
                print(f"{name}: does not run here, left out: {error}", file=sys.stderr)
    print("\n\n".join(table(results, case) for case in cases))
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))


if __name__ == "__main__":
    main()
