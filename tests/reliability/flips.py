"""Flips random bits in every kind of file of a dataset, one at a time: does `verify` notice, does a reader?

    python tests/reliability/flips.py 1000

Prints a row per packaging and kind of file: flips, those that verify noticed, reads that refused, reads that
gave the right values because the bit is not among what they read, reads that gave WRONG values in silence,
and flips that neither noticed though they changed what is read. Ends with 1 where there is any of the last
two, or where verify missed one whose effect is not shown to be none.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from result import Result, arguments, show

from ingest.reporting.report import report
from shards.errors import ShardError
from shards.read import Dataset
from shards.schema import SPLITS
from shards.verify import faults

HERE = Path(__file__).parent
COLUMNS = ("flips", "verify", "refused", "unread", "WRONG")


def main(count: int, seed: int = 0, json: Path | None = None) -> int:
    draw = random.Random(seed)
    spec = spec_from_file_location("build_small", HERE.parent / "shards" / "old_formats" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    small = module_from_spec(spec)
    spec.loader.exec_module(small)
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    missed: list[str] = []
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        for packaging, codec in (("zarr", "lz4"), ("webdataset", "raw")):
            folder = small.build_small(Path(place) / packaging, packaging, codec)
            report(Dataset(folder))
            truth, files = values(folder), files_by_kind(folder)
            for number in range(count // 2):
                kind = sorted(files)[number % len(files)]
                path = draw.choice(files[kind])
                bit = draw.randrange(8 * path.stat().st_size)
                found = tried(folder, path, bit, truth)
                rows[packaging, kind].update(["flips", *found])
                if "WRONG" in found or "verify" not in found:
                    missed.append(f"{path.relative_to(folder)} bit {bit}: {', '.join(sorted(found))}")
    total = sum(rows.values(), Counter())
    lines = [[*key, *(counts[name] for name in COLUMNS)] for key, counts in sorted(rows.items())]
    lines.append(["all", "all", *(total[name] for name in COLUMNS)])
    show(Result.of_now(["packaging", "kind", *COLUMNS], lines), json)
    for line in missed:
        print("not noticed by verify:", line)
    return 1 if total["WRONG"] or total["verify"] < total["flips"] else 0


def files_by_kind(folder: Path) -> dict[str, list[Path]]:
    """Kind to files: each kind gets as many flips as the others, however few bytes it has."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = path.relative_to(folder).parts
        if path.suffix == ".tar" or len(parts) == 1:
            kinds[parts[-1] if len(parts) == 1 else "tar"].append(path)
        elif parts[0] == "parts":
            if path.stat().st_size:
                kinds["part record"].append(path)
        else:
            kinds["document" if path.name == "zarr.json" else parts[2]].append(path)
    return dict(kinds)


def values(folder: Path) -> list[bytes]:
    """All that a training reads: frames in physical units, constants, masks, times, moments."""
    dataset = Dataset(folder)
    card = dataset.card
    scale = 2.0 ** np.array(card.schema.per_channel(card.powers))
    found = [repr(card).encode()]
    for split in SPLITS:
        for entry in dataset.entries(split):
            out = np.empty((entry.frames, *card.schema.frame_shape), card.schema.dtype)
            dataset.read_frames(entry, range(entry.frames), out)
            found.append((out * scale.reshape(1, -1, *(1 for _ in card.schema.grid.shape))).tobytes())
            found += [dataset.static(entry).tobytes(), dataset.boundary(entry).tobytes()]
            found.append(repr(dataset.document(entry)).encode())
    return found


def tried(folder: Path, path: Path, bit: int, truth: list[bytes]) -> set[str]:
    """What became of one flipped bit, which is flipped back."""
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    try:
        return {verified(folder), read(folder, truth)} - {""}
    finally:
        path.write_bytes(content)


def verified(folder: Path) -> str:
    try:
        return "verify" if any(True for _ in faults(Dataset(folder))) else ""
    except ShardError:
        return "verify"


def read(folder: Path, truth: list[bytes]) -> str:
    try:
        return "unread" if values(folder) == truth else "WRONG"
    except ShardError:
        return "refused"


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    options = parser.parse_args()
    sys.exit(main(options.count, json=options.json))
