import math
import re
import subprocess
import sys
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

sys.path.insert(0, str(Path(__file__).parent))

import gpu_session
from gpu_kernels import _taken
from gpu_session import LEFT_OUT, PAGE, STAGES, read, report, run, with_tables
from gpu_trace import Kernel, busy_seconds, hidden_share

from tests.walrus.training.own_process import run_script

SESSION = Path(__file__).with_name("gpu_session.py")


# Python finds no module whose place is taken by None.
STAGES_ALONE = """
import sys
sys.modules.update(dict.fromkeys({absent!r}))
sys.path[:0] = [{stages!r}, {repository!r}]
import gpu_network, gpu_kernels, gpu_training, feeding_table, tests.walrus.conftest
"""


def brought_along():
    """The packages of a session: those that its list names, and what these need."""
    text = SESSION.with_name("requirements-gpu.txt").read_text(encoding="utf-8")
    waiting = ["torch", *re.findall(r"^([\w-]+)==", text, re.MULTILINE)]
    waiting += re.search(r"next to torch, triton, ([\w, ]+):", text)[1].replace(" and ", ", ").split(", ")
    # Other versions of a package may need fewer packages than those of the list.
    installed = {each.name.lower().replace("_", "-") for each in distributions()}
    found = set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in installed - found:
            found.add(name)
            needed = [Requirement(line) for line in requires(name) or ()]
            waiting += [
                each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return found


def test_stages_use_no_package_that_a_session_does_not_bring_along():
    brought = brought_along() | {"walrus-pde"}
    absent = [
        name
        for name, packages in packages_distributions().items()
        if not brought & {package.lower().replace("_", "-") for package in packages}
    ]
    assert {"zarr", "deepspeed"} <= set(absent)
    places = {"stages": str(SESSION.parent), "repository": str(SESSION.parents[2])}
    code = STAGES_ALONE.format(absent=absent, **places)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def forked(command, log, seconds):
    """A stage in a process that need not load torch: loading takes longer than most stages of a rehearsal."""
    done = run_script(*command[1:])
    log.write_text(done.stdout + done.stderr)
    return done.returncode


@pytest.mark.slow
def test_a_session_on_a_gpu_is_rehearsed_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_session, "_exit_code", forked)
    assert run(list(STAGES), tmp_path, None, rehearse=True, seconds=60 * gpu_session.MINUTES) == []
    tables, outcomes = read(tmp_path)
    assert list(outcomes) == [stage.name for stage in STAGES]
    assert all(words.startswith("done in") for words in outcomes.values())
    found = {name: table["rows"] for name, table in tables.items()}
    assert set(found) == set(outcomes)
    assert [row["graphs"] for row in found["graphs"]] == [3, 0]
    assert sum(row["breaks"] for row in found["graphs"]) == 0
    assert [row["takes"] for row in found["attention"][:2]] == ["flash", "plain products"]
    assert all(row["holds"] for row in found["losses"])
    for stage in ("step", "eager"):
        assert [row["micro-batch"] for row in found[stage]] == ["plane", "volume"]
        assert all(math.isfinite(row["s"]) for row in found[stage])
    assert all(0 < row["GB/s"] < math.inf for row in found["checkpoint"])
    assert [row["blocks"] for row in found["profile"]] == ["eager", "compiled", "compiled"]
    assert (tmp_path / "step-plane-eager.json.gz").stat().st_size > 1000


def test_a_stage_that_fails_is_named_and_the_others_go_on(tmp_path):
    options = ["--rehearse", "--only", "golden", "checkpoint", "--golden", tmp_path / "missing"]
    done = subprocess.run(
        [sys.executable, SESSION, "--out", tmp_path, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "golden: failed after" in done.stdout
    assert "checkpoint: done" in done.stdout
    assert done.stderr.strip() == "failed: golden"
    page = (tmp_path / PAGE).read_text()
    assert "**golden**: failed after" in page
    assert "| written |" in page
    assert "**card**: not run" in page


def test_a_session_without_time_leaves_out_what_would_end_too_late_and_says_so(tmp_path, monkeypatch):
    began = []

    def took(command, log, seconds, failed, name):
        # What the session has written so far, as a cut in this stage would leave it.
        began.append((name, seconds, (tmp_path / PAGE).read_text() if began else ""))
        now[0] += 30
        return "done in 30 s"

    now = [1000.0]
    monkeypatch.setattr(gpu_session, "_run_one", took)
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    (tmp_path / "muon.json").write_text('{"rows": [{"s": "of an earlier session"}]}')
    assert run(list(STAGES), tmp_path, None, rehearse=False, seconds=135) == []
    # 135, 105, 75, 45, then 15 seconds are left, too few for the loader but not for the waits.
    assert [name for name, *_ in began] == ["card", "golden", "step", "eager", "waits"]
    assert [seconds for _, seconds, _ in began] == [75, 45, 75, 45, 15]
    assert ["**golden**: done" in page for *_, page in began] == [False, False, True, True, True]
    page = (tmp_path / PAGE).read_text()
    assert page.count(LEFT_OUT) == len(STAGES) - 5
    assert f"**muon**: {LEFT_OUT}\n" in page
    assert "earlier" not in page


def test_stages_together_may_take_more_than_the_session_but_the_most_valuable_ones_fit():
    assert sum(stage.most for stage in STAGES) > 60 * gpu_session.MINUTES
    assert sum(stage.most for stage in STAGES[:7]) < 60 * gpu_session.MINUTES
    assert sum(stage.least for stage in STAGES) < 60 * gpu_session.MINUTES


def test_time_on_a_card_counts_once_where_kernels_run_side_by_side():
    every = [Kernel("gemm", 0, 4e6), Kernel("memcpy htod", 1e6, 3e6), Kernel("memcpy htod", 6e6, 8e6)]
    assert busy_seconds(every) == 6.0
    assert hidden_share(every[1:], every[:1]) == 0.5
    assert hidden_share([], every) is None


def test_an_attention_takes_plain_products_only_if_the_profiler_saw_any_kernel():
    assert _taken([]) == "unknown"
    assert _taken(["ampere_bf16_s16816gemm"]) == "plain products"
    assert _taken(["fmha_cutlassf_bf16_aligned", "fmha_cutlassb_bf16_aligned"]) == "memory-efficient"


def test_tables_of_a_session_take_the_place_of_those_before_and_of_nothing_else():
    page = "# Page\n\nBefore.\n\n## On a GPU\n\nNo GPU.\n\n```\nrun it\n```\n\nOld.\n\n## After\n\nRest.\n"
    tables = report(
        {"card": {"name": "H100", "torch": "2.13", "rows": [{"what": "product", "TFLOP/s": 700.0}]}},
        {"card": "done in 9 s"},
    )
    found = with_tables(page, tables)
    assert found == with_tables(found, tables)
    assert found.startswith("# Page\n\nBefore.\n\n## On a GPU\n")
    assert found.endswith("\n\n## After\n\nRest.\n")
    assert "```\nrun it\n```" in found
    assert "Card: H100, torch 2.13." in found
    assert "| product | 700 |" in found
    assert "No GPU" not in found
    assert "Old" not in found
