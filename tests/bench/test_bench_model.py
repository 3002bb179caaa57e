import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_the_network_and_its_plain_twin_agree_and_are_compared():
    script = Path(__file__).with_name("bench_model.py")
    grids = ["--plane", "24", "32", "--volume", "8", "12", "16", "--large", "12", "8", "16"]
    options = ["--device", "cpu", "--preset", "tiny", *grids, "--repeats", "1"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("GiB") == 4 * 5
