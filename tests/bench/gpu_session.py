"""All that nine minutes on one GPU can prove, the most important first; nothing stops at a failure.

    python tests/bench/gpu_session.py --out FOLDER --golden GOLDEN  on a GPU
    python tests/bench/gpu_session.py --out FOLDER --rehearse       on a CPU with small presets, two minutes
    python tests/bench/gpu_session.py --report FOLDER               its tables
    python tests/bench/gpu_session.py --report FOLDER --page docs/benchmarks.md
                                                                    puts them into the page

Each stage (tests/bench/gpu_stages.py) runs in a process of its own: one that fails or hangs costs itself
only. What it found is in FOLDER/<stage>.json, its output in FOLDER/<stage>.log; traces for chrome://tracing
and Perfetto are next to them. DeepSpeed is not needed. GOLDEN is the folder of the published network's
numbers (the stage needs pytest as well); without it that stage says that it was skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TOTAL_SECONDS = 540


@dataclass(frozen=True)
class Stage:
    """A stage of gpu_stages.py, and the seconds that it may take."""

    name: str
    seconds: int


STAGES = (
    Stage("card", 45),
    Stage("golden", 45),
    Stage("step", 180),
    Stage("profile", 75),
    Stage("attention", 40),
    Stage("loader", 45),
    Stage("losses", 75),
    Stage("small", 60),
    Stage("lora", 45),
    Stage("checkpoint", 60),
    Stage("graphs", 60),
    Stage("waits", 30),
    Stage("muon", 30),
)
HEADING = "## On a GPU"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where JSON, logs and the trace go")
    parser.add_argument("--golden", type=Path, help="numbers of the published network")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small presets")
    parser.add_argument(
        "--only", nargs="+", choices=[stage.name for stage in STAGES], help="these stages alone"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="print the tables of an earlier session"
    )
    parser.add_argument("--page", type=Path, help="with --report: put them into this page instead")
    options = parser.parse_args()
    if options.report is not None:
        tables = report(read(options.report))
        if options.page is None:
            print(tables)
        else:
            page = options.page.read_text(encoding="utf-8")
            options.page.write_text(with_tables(page, tables), encoding="utf-8")
        return
    if options.out is None:
        parser.error("a session needs --out FOLDER")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [stage for stage in STAGES if options.only is None or stage.name in options.only]
    failed = run(chosen, options.out, options.golden, options.rehearse)
    print(report(read(options.out)))
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


def run(stages: list[Stage], out: Path, golden: Path | None, rehearse: bool) -> list[str]:
    """Runs the stages one after the other within the time of the whole; the names of those that failed."""
    # Other work on the machine of a rehearsal slows it, and no limit is what it rehearses.
    patience = 4 if rehearse else 1
    ends = time.monotonic() + patience * TOTAL_SECONDS
    failed = []
    for stage in stages:
        seconds = min(patience * stage.seconds, ends - time.monotonic())
        if seconds <= 0:
            print(f"{stage.name}: no time left", flush=True)
            failed.append(stage.name)
            continue
        command = [sys.executable, HERE / "gpu_stages.py", stage.name, "--out", out]
        command += ["--golden", golden] if golden is not None else []
        command += ["--rehearse"] if rehearse else []
        print(
            f"{stage.name}: {_run_one(command, out / f'{stage.name}.log', seconds, failed, stage.name)}",
            flush=True,
        )
    return failed


def _run_one(command: list[Any], log: Path, seconds: float, failed: list[str], name: str) -> str:
    began = time.monotonic()
    with log.open("w") as output:
        try:
            code = subprocess.run(
                list(map(str, command)),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
                # What one model has left must serve the next one, whose pieces have other sizes.
                env=os.environ | {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    spent = time.monotonic() - began
    if code == 0:
        return f"done in {spent:.0f} s"
    failed.append(name)
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
    return f"ran out of its {seconds:.0f} s" if code is None else f"failed after {spent:.0f} s: {last[0]}"


def read(folder: Path) -> dict[str, Any]:
    """What the stages of a session found, by their names; those that failed are absent."""
    found = {}
    for stage in STAGES:
        path = folder / f"{stage.name}.json"
        if path.is_file():
            found[stage.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def report(found: dict[str, Any]) -> str:
    """The session as Markdown: a line of the card, then a table a stage."""
    card = found.get("card", {})
    lines = [f"Card: {card.get('name', 'unknown')}, torch {card.get('torch', 'unknown')}."]
    for stage in STAGES:
        rows = found.get(stage.name, {}).get("rows")
        if not rows:
            lines += ["", f"**{stage.name}**: no result."]
            continue
        names = list(rows[0])
        lines += ["", f"**{stage.name}**", "", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
        for row in rows:
            lines.append(f"| {' | '.join(_cell(row[name]) for name in names)} |")
    return "\n".join(lines)


def with_tables(page: str, tables: str) -> str:
    """The page with these tables behind the command in its section on GPUs, in place of what was there."""
    before, section = page.split(HEADING, 1)
    _, command, _ = section.split("```", 2)
    following = section.find("\n## ")
    rest = section[following:] if following >= 0 else ""
    words = "Measured by one command, in nine minutes on one card:"
    return f"{before}{HEADING}\n\n{words}\n\n```{command}```\n\n{tables}\n{rest}"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
