import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

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
    }
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
