import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="files are dropped from memory by posix_fadvise")
def test_loaders_read_the_same_windows_and_are_compared(tmp_path):
    script, found = Path(__file__).with_name("bench_loader.py"), tmp_path / "found.json"
    readers = ("ours lz4 rounded, zarr, blocks", "h5py slices", "litdata")
    size = ("--small", "--seconds", "0.02", "--rounds", "1", "--json", found, "--readers", *readers)
    done = subprocess.run([sys.executable, script, *size], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "litdata, one frame per record: not installed, left out" in done.stderr
    rows = json.loads(found.read_text())
    assert [row["case"] for row in rows] == ["2D", "3D"] * 2
    assert all(row[column] > 0 for row in rows for column in ("one", "two", "tuned", "cold"))
    assert done.stdout.count("| h5py slices, contiguous |") == 2
