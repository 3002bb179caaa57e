"""What a build behind a URL asks of the server, next to a copy that is built: requests, bytes, seconds.

    python tests/bench/bench_remote.py [--delay 0.02]

The samples come from a web server of this machine that waits so many seconds before each answer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.ingest.web_server import Shelf, web_server

SAMPLES = Path(__file__).parents[1] / "samples"
SYSTEMS = {
    "shear_flow": SAMPLES / "well" / "shear_flow",
    "MHD_64": SAMPLES / "well" / "MHD_64",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.02)
    delay = parser.parse_args().delay
    print(f"each answer after {delay:g} s")
    for name, folder in SYSTEMS.items():
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        with web_server() as shelf, TemporaryDirectory() as place:
            shelf.delay = delay
            shelf.files = {path: file.read_bytes() for path, file in files.items()}
            size = sum(map(len, shelf.files.values()))
            print(f"{name}: {len(files)} files, {size / 1e6:.2f} MB")
            _measured("build --from URL", shelf, "build", name, "--from", shelf.url, "--to", f"{place}/a")
            _measured("again", shelf, "build", name, "--from", shelf.url, "--to", f"{place}/a")
            _measured("fetch", shelf, "fetch", name, "--from", shelf.url, "--to", f"{place}/copy")
            _measured("build the copy", shelf, "build", name, "--from", f"{place}/copy", "--to", f"{place}/b")


def _measured(words: str, shelf: Shelf, *arguments: str) -> None:
    """Runs a command of walrus-ingest, and prints what it asked the server for."""
    shelf.asked.clear()
    shelf.sent = 0
    began = time.perf_counter()
    code = "from ingest.cli import main; main()"
    one = ["--workers", "1"] if arguments[0] == "build" else []
    subprocess.run([sys.executable, "-c", code, *arguments, *one], check=True, capture_output=True)
    seconds = time.perf_counter() - began
    print(f"  {words:17} {len(shelf.asked):4} requests {shelf.sent / 1e6:6.2f} MB {seconds:5.1f} s")


if __name__ == "__main__":
    main()
