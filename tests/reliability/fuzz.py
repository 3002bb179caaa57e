"""Changes files of a dataset at random and reads it: only right values and errors of ours may come out.

    python tests/reliability/fuzz.py 600

For so many seconds, cards, indexes, recipes, documents, tars and shards are cut, overwritten, zeroed, doubled
or filled with large numbers and deep nesting. Half of the changed documents get a checksum that fits,
so that the parsers behind it meet the change. Each case has 4 GB of memory and 10 seconds. Prints a row per
change; a finding is printed whole, kept by its number, and the script ends with 1.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import flips
from result import Result, arguments, show

from ingest.catalogue import find_recipe
from shards.errors import WalrusError
from shards.json_text import CHECKSUM, END, text_with_checksum

HERE = Path(__file__).parent
SECONDS_OF_ONE, MEMORY = 10, 4 * 10**9
OUTCOMES = ("right", "refused", "forged", "finding")
# Numbers and text that parsers stumble over.
STRANGE = (
    *(b"1e999", b"-1", b"9" * 400, b"18446744073709551616", b"NaN", b"null", b'""', b"{}", b"[]", b"true"),
    *(b"[" * 5000, b'"' + b"../" * 50 + b'x"', b'"\\u0000"', b'"\xff\xfe"', b"0.1e-400"),
)

Change = Callable[[random.Random, bytes], bytes]


def cut(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def overwritten(draw: random.Random, content: bytes) -> bytes:
    """A run of other bytes."""
    start = draw.randrange(len(content) + 1)
    other = draw.randbytes(draw.choice((1, 4, 30, 600)))
    return content[:start] + other + content[start + len(other) :]


def doubled(draw: random.Random, content: bytes) -> bytes:
    """A run of bytes twice."""
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.randrange(1, 2000))
    return content[:end] + content[start:]


def zeroed(draw: random.Random, content: bytes) -> bytes:
    """A run of zeros, as a disk leaves it that lost a page."""
    start = draw.randrange(len(content) + 1)
    length = draw.choice((1, 8, 512, 4096))
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def strange(draw: random.Random, content: bytes) -> bytes:
    """A number or word of a document replaced."""
    places = [place for place, byte in enumerate(content) if byte in b'0123456789"[{']
    if not places:
        return content + draw.choice(STRANGE)
    start = draw.choice(places)
    end = start + 1
    while end < len(content) and content[end] not in b",\n]}":
        end += 1
    return content[:start] + draw.choice(STRANGE) + content[end:]


CHANGES: tuple[Change, ...] = (cut, overwritten, doubled, zeroed, strange)


def main(seconds: float, seed: int = 0, json: Path | None = None) -> int:
    small = _module(HERE.parent / "shards" / "old_formats" / "build.py")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _too_long)
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    end, number = time.monotonic() + seconds, 0
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        datasets = []
        for packaging, codec in (("zarr", "lz4"), ("webdataset", "raw")):
            folder = small.build_small(Path(place) / packaging, packaging, codec)
            datasets.append((folder, flips.values(folder), flips.files_by_kind(folder)))
        while time.monotonic() < end:
            draw = random.Random(f"{seed}/{number}")
            folder, truth, files = draw.choice(datasets)
            path = draw.choice(files[draw.choice(sorted(files))])
            change = draw.choice(CHANGES)
            found, told = tried(draw, folder, path, change, truth)
            rows[change.__name__][found] += 1
            if found == "finding":
                print(f"case {number}, {change.__name__} {path.relative_to(folder)}: {told}")
            number += 1
    total = sum(rows.values(), Counter())
    lines = [[name, *(counts[outcome] for outcome in OUTCOMES)] for name, counts in sorted(rows.items())]
    lines.append(["all", *(total[outcome] for outcome in OUTCOMES)])
    show(Result.of_now(["change", *OUTCOMES], lines), json)
    return 1 if total["finding"] else 0


def tried(
    draw: random.Random, folder: Path, path: Path, change: Change, truth: list[bytes]
) -> tuple[str, str]:
    """What became of one changed file, which is changed back; and what was said of it."""
    content = path.read_bytes()
    changed = change(draw, content)
    forged = CHECKSUM in content and draw.random() < 0.5
    if forged:
        document = changed.rpartition(CHECKSUM)[0] or changed
        changed = text_with_checksum(document.decode(errors="replace") + END)
    path.write_bytes(changed)
    signal.alarm(SECONDS_OF_ONE)
    try:
        if path.suffix == ".toml":
            find_recipe(str(path))
        flips.verified(folder)
        same = flips.values(folder) == truth
    except WalrusError as error:
        return "refused", str(error)
    # Whatever else comes out is what this script looks for.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "finding", f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.alarm(0)
        path.write_bytes(content)
    if same:
        return "right", ""
    return ("forged", "") if forged else ("finding", "other values in silence")


class TooLong(BaseException):
    """No error that a reader catches: a TimeoutError is an OSError."""


def _too_long(number: int, frame: object) -> None:
    raise TooLong(f"longer than {SECONDS_OF_ONE} seconds")


def _module(path: Path) -> ModuleType:
    """A script that is in no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=600)
    options = parser.parse_args()
    sys.exit(main(options.seconds, json=options.json))
