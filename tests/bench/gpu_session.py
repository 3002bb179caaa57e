"""All that nine minutes on one GPU can prove, the most valuable first; nothing stops at a failure.

    python tests/bench/gpu_session.py --out FOLDER --golden GOLDEN  on a GPU
    python tests/bench/gpu_session.py --out FOLDER --rehearse       on a CPU with small presets, two minutes
    python tests/bench/gpu_session.py --report FOLDER               its tables
    python tests/bench/gpu_session.py --report FOLDER --page docs/benchmarks.md
                                                                    puts them into the page

Each stage (tests/bench/gpu_stages.py) runs in a process of its own: one that fails or hangs costs itself
only. One deadline holds for all: a stage that would end too late is left out, and the page says so. What a
stage found is in FOLDER/<stage>.json, its output in FOLDER/<stage>.log; traces for chrome://tracing and
Perfetto are next to them. FOLDER/report.md has the tables, written again after each stage: a session that is
cut off keeps what it has. DeepSpeed is not needed. GOLDEN is the folder of the published network's numbers
(the stage needs pytest as well); without it that stage says that it was skipped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MINUTES = 9.0
# Other work on the machine of a rehearsal slows it, and no limit is what it rehearses.
PATIENCE = 4


@dataclass(frozen=True)
class Stage:
    """A stage of gpu_stages.py: it begins only with `least` seconds left, and is ended after `most`."""

    name: str
    least: int
    most: int


# In order of value: where time is short, the last ones are left out.
STAGES = (
    # A machine that is fresh reads gigabytes of libraries first.
    Stage("card", 15, 75),
    Stage("golden", 15, 45),
    # Two graphs are compiled, for which nothing is known yet.
    Stage("step", 45, 180),
    Stage("eager", 30, 70),
    Stage("profile", 30, 85),
    Stage("loader", 20, 45),
    Stage("waits", 15, 30),
    Stage("losses", 20, 75),
    Stage("attention", 15, 40),
    Stage("lora", 20, 45),
    Stage("checkpoint", 25, 60),
    Stage("graphs", 20, 90),
    Stage("small", 20, 60),
    Stage("muon", 15, 30),
)
LEFT_OUT = "left out: no time"
OUTCOMES, PAGE = "session.json", "report.md"
HEADING = "## On a GPU"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where JSON, logs and the trace go")
    parser.add_argument("--golden", type=Path, help="numbers of the published network")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small presets")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the time of all stages together")
    parser.add_argument(
        "--only", nargs="+", choices=[stage.name for stage in STAGES], help="these stages alone"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="print the tables of an earlier session"
    )
    parser.add_argument("--page", type=Path, help="with --report: put them into this page instead")
    options = parser.parse_args()
    if options.report is not None:
        tables = report(*read(options.report))
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
    failed = run(chosen, options.out, options.golden, options.rehearse, 60 * options.minutes)
    print(report(*read(options.out)))
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


def run(stages: list[Stage], out: Path, golden: Path | None, rehearse: bool, seconds: float) -> list[str]:
    """Runs the stages one after the other until the deadline; the names of those that failed.

    After each of them the outcomes and the page are written.
    """
    patience = PATIENCE if rehearse else 1
    deadline = time.monotonic() + patience * seconds
    for stage in stages:
        # What an earlier session has left would be taken for this one's.
        (out / f"{stage.name}.json").unlink(missing_ok=True)
    outcomes: dict[str, str] = {}
    failed: list[str] = []
    for stage in stages:
        left = deadline - time.monotonic()
        if left < stage.least:
            outcomes[stage.name] = LEFT_OUT
        else:
            command = [sys.executable, HERE / "gpu_stages.py", stage.name, "--out", out]
            command += ["--golden", golden] if golden is not None else []
            command += ["--rehearse"] if rehearse else []
            limit = min(patience * stage.most, left)
            outcomes[stage.name] = _run_one(command, out / f"{stage.name}.log", limit, failed, stage.name)
        print(f"{stage.name}: {outcomes[stage.name]}", flush=True)
        (out / OUTCOMES).write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
        (out / PAGE).write_text(report(*read(out)) + "\n", encoding="utf-8")
    return failed


def _run_one(command: list[Any], log: Path, seconds: float, failed: list[str], name: str) -> str:
    """Runs a stage for so many seconds at most; what became of it. Its name joins `failed` if it failed."""
    began = time.monotonic()
    code = _exit_code(command, log, seconds)
    spent = time.monotonic() - began
    if code == 0:
        return f"done in {spent:.0f} s"
    failed.append(name)
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
    return f"ran out of its {seconds:.0f} s" if code is None else f"failed after {spent:.0f} s: {last[0]}"


def _exit_code(command: list[Any], log: Path, seconds: float) -> int | None:
    """Runs a command, with its output in `log`; None if it is not done after so many seconds."""
    with log.open("w") as output:
        try:
            return subprocess.run(
                list(map(str, command)),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def read(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What the stages of a session found, and what became of each, by their names; others are absent."""
    found = {}
    for stage in STAGES:
        path = folder / f"{stage.name}.json"
        if path.is_file():
            found[stage.name] = json.loads(path.read_text(encoding="utf-8"))
    path = folder / OUTCOMES
    return found, json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def report(found: dict[str, Any], outcomes: dict[str, str]) -> str:
    """The session as Markdown: a line for the card, then each stage with its outcome and its table."""
    card = found.get("card", {})
    lines = [f"Card: {card.get('name', 'unknown')}, torch {card.get('torch', 'unknown')}."]
    for stage in STAGES:
        lines += ["", f"**{stage.name}**: {outcomes.get(stage.name, 'not run')}"]
        rows = found.get(stage.name, {}).get("rows")
        if not rows:
            continue
        names = list(rows[0])
        lines += ["", f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
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
