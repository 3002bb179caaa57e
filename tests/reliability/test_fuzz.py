"""A short run of the fuzzer, and what longer runs have found."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from shards.json_text import checked_content, text_with_checksum
from shards.read import Dataset
from shards.verify import faults

HERE = Path(__file__).parent


def test_three_seconds_of_changed_files_give_right_values_or_errors_of_ours():
    done = subprocess.run([sys.executable, HERE / "fuzz.py", "3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    right, refused, *_ = map(int, done.stdout.splitlines()[-1].split()[1:])
    assert right > 20
    assert refused > 20


@pytest.mark.parametrize("change", [("[", "{"), ('"path"', '"place"'), ('"length": ', '"length": -')])
def test_a_record_with_a_fitting_checksum_that_is_none_is_a_fault(tmp_path, change):
    spec = spec_from_file_location("build_small", HERE.parent / "shards" / "old_formats" / "build.py")
    small = module_from_spec(spec)
    spec.loader.exec_module(small)
    folder = small.build_small(tmp_path, "zarr", "lz4")
    path = folder / "parts" / "train-00000.json"
    content = checked_content(path.read_bytes(), "record").decode()
    assert change[0] in content
    path.write_bytes(text_with_checksum(content.replace(*change)))
    (fault,) = faults(Dataset(folder))
    assert fault.startswith(f"{path}: ")
