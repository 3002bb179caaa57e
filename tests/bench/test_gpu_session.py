import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gpu_session import report, with_tables

SESSION = Path(__file__).with_name("gpu_session.py")


@pytest.mark.slow
def test_a_session_on_a_gpu_is_rehearsed_on_the_cpu(tmp_path):
    done = subprocess.run(
        [sys.executable, SESSION, "--out", tmp_path, "--rehearse"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {path.stem: json.loads(path.read_text())["rows"] for path in tmp_path.glob("*.json")}
    assert set(found) == {
        "card",
        "golden",
        "step",
        "profile",
        "loader",
        "losses",
        "small",
        "lora",
        "checkpoint",
        "attention",
        "graphs",
        "waits",
        "muon",
    }
    assert [row["graphs"] for row in found["graphs"]] == [3, 0]
    assert sum(row["breaks"] for row in found["graphs"]) == 0
    assert [row["takes"] for row in found["attention"][:2]] == ["flash", "plain products"]
    assert all(row["holds"] for row in found["losses"])
    assert len(found["step"]) == 4
    assert all(math.isfinite(row["s"]) for row in found["step"])
    assert (tmp_path / "step-plane.json.gz").stat().st_size > 1000


def test_a_stage_that_fails_is_named_and_the_others_go_on(tmp_path):
    # The step asks for the rate of the card, which is not there.
    done = subprocess.run(
        [sys.executable, SESSION, "--out", tmp_path, "--rehearse", "--only", "step", "checkpoint"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "step: failed after" in done.stdout
    assert "checkpoint: done" in done.stdout
    assert done.stderr.strip() == "failed: step"


def test_tables_of_a_session_take_the_place_of_those_before_and_of_nothing_else():
    page = "# Page\n\nBefore.\n\n## On a GPU\n\nNo GPU.\n\n```\nrun it\n```\n\nOld.\n\n## After\n\nRest.\n"
    tables = report(
        {"card": {"name": "H100", "torch": "2.13", "rows": [{"what": "product", "TFLOP/s": 700.0}]}}
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
