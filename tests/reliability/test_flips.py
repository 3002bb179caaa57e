"""No flipped bit is silent; what is damaged is named, and a rebuild heals it."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from shards.program.settings import make
from shards.read import Dataset
from shards.verify import faults

sys.path.insert(0, str(Path(__file__).parent))

import flips

SMALL = Path(__file__).parents[1] / "shards" / "old_formats" / "build.py"
spec = spec_from_file_location(SMALL.stem, SMALL)
small = module_from_spec(spec)
spec.loader.exec_module(small)


def test_verify_notices_every_bit_and_no_reader_gives_wrong_values(capsys):
    assert flips.main(100, seed=1) == 0
    last = capsys.readouterr().out.splitlines()[-1].split()
    assert last[:4] == ["all", "all", "100", "100"]


@pytest.mark.parametrize("packaging", ["zarr", "webdataset"])
@pytest.mark.parametrize("name", ["parts/train-00000.json", "recipe.toml", "card.json"])
def test_a_rebuild_heals_a_damaged_document(tmp_path, packaging, name):
    source = tmp_path / "source"
    source.mkdir()
    np.savez(source / "small.npz", **small.arrays())

    def built() -> Path:
        plan = plan_build(make(Recipe, small.TABLES, "small.toml"), source, packaging, "lz4")
        return build(plan, tmp_path / "root", Resources(1)).folder

    folder = built()
    path, before = folder / name, (folder / name).read_bytes()
    # A digit of a number, as a flipped bit would change it.
    digits = [place for place, byte in enumerate(before) if byte in b"1248"]
    damaged = bytearray(before)
    damaged[digits[len(digits) // 2]] ^= 1
    path.write_bytes(damaged)
    found = flips.verified(folder)
    assert found == "verify"
    built()
    assert path.read_bytes() == before
    assert list(faults(Dataset(folder))) == []
