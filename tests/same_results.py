"""What must stay the same when only names and rooms change: bytes of shards, losses, texts of `--help`.

    python tests/same_results.py > before.txt      at one commit
    python tests/same_results.py > after.txt       at another; then `diff before.txt after.txt`

Builds every sample in both packagings (the larger sample set too, where it is next to the repository) and
prints one line per file with its digest; then the losses of RUN, where a folder of `make pretrain` is given;
then the help of each command.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

ROOT = Path(__file__).parents[1]
COMMANDS = ("ingest", "pretrain", "finetune", "evaluate", "convert")
PACKAGINGS = ("zarr", "webdataset")
BINARIES = Path(sysconfig.get_path("scripts"))


def main(run: str | None) -> None:
    with TemporaryDirectory() as place:
        for number, (name, recipe, source) in enumerate(_systems(Path(place))):
            for packaging in PACKAGINGS:
                root = Path(place) / f"{number}-{packaging}"
                arguments = ["build", recipe, "--from", source, "--to", root, "--format", packaging]
                _ingest(*arguments, "--workers", 1, "--set", "licence=MIT")
                for line in _digests(root / name):
                    print(number, packaging, line)
    if run is not None:
        for line in (Path(run) / "losses.jsonl").read_text().splitlines():
            entry = json.loads(line)
            print("loss", entry.get("step"), entry.get("loss"))
    for command in COMMANDS:
        print(_output(BINARIES / f"walrus-{command}", "--help"))
    for verb in ("ls", "inspect", "plan", "build", "finish", "verify", "append", "convert", "report"):
        print(_output(BINARIES / "walrus-ingest", verb, "--help"))


def _systems(place: Path) -> list[tuple[str, str | Path, Path]]:
    """(name, recipe or its file, source) of every sample: those of the repository, and the larger set by its
    test.
    """
    samples = ROOT / "tests" / "samples"
    names = ("shear_flow", "gray_scott_reaction_diffusion", "acoustic_scattering_discontinuous", "MHD_64")
    systems: list[tuple[str, str | Path, Path]] = [(name, name, samples / "well" / name) for name in names]
    systems.append(("pdebench_cns3d_random", "pdebench_cns3d_random", samples / "pdebench"))
    systems.append(("pdearena_conditioned_ins", "pdearena_conditioned_ins", samples / "pdearena"))
    systems.append(("cns2d", samples / "held_out" / "cns2d.toml", samples / "held_out"))
    larger = _load(ROOT / "tests" / "ingest" / "test_samples.py")
    if larger.SAMPLES.exists():
        for sample in larger.SET:
            path = place / f"{sample.name}.toml"
            path.write_text(larger.dump_toml(larger.asdict(sample.recipe())), encoding="utf-8")
            systems.append((sample.recipe().name, path, larger.SAMPLES / sample.start))
    return systems


def _digests(folder: Path) -> list[str]:
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        # The records of parts hold when their input files were last changed.
        if path.parent.name != "parts":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            lines.append(f"{path.relative_to(folder.parent)} {digest}")
    return lines


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _ingest(*arguments: str | int | Path) -> None:
    done = subprocess.run(
        [BINARIES / "walrus-ingest", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"walrus-ingest {' '.join(map(str, arguments))}: {done.stderr}")


def _output(*command: str | Path) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "100"}
    )
    return done.stdout


if __name__ == "__main__":
    # The folder of this file holds folders with the names of our packages.
    sys.path[0] = str(ROOT)
    main(sys.argv[1] if len(sys.argv) > 1 else None)
