"""An option that takes a path of this machine refuses a URL in one line, and writes nothing."""

from contextlib import chdir
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

URL = "s3://bucket/x"
COMMANDS = {
    "ingest.cli": [
        f"inspect here --recipe {URL}",
        f"build shear_flow --from here --to {URL}",
        f"fetch shear_flow --to {URL}",
        f"finish {URL}",
        f"convert here --format zarr --to {URL}",
        f"report here --out {URL}",
        f"build {URL} --from here",
    ],
    "pipelines.pretrain": [f"tiny --root here --out {URL}", f"tiny --root here --out run --trace {URL}"],
    "pipelines.finetune": [
        f"shear_flow --root here --from {URL} --out run",
        f"shear_flow --root here --from run --out {URL}",
    ],
    "pipelines.evaluate": [
        f"{URL} shear_flow --root here --out there",
        f"run shear_flow --root here --out {URL}",
    ],
    "pipelines.convert": [f"{URL} --to here", f"here --to {URL}", f"here --to there --normalised-by {URL}"],
    "pipelines.forecast": [f"{URL} data --steps 1 --out a.nc", f"run data --steps 1 --out {URL}"],
}
CASES = [(module, line) for module, lines in COMMANDS.items() for line in lines]


def test_a_url_that_is_refused_is_printed_without_its_secrets(tmp_path):
    with chdir(tmp_path):
        url = "s3://me:s3cret@bucket/x?sig=s3cret"
        done = CliRunner().invoke(import_module("ingest.cli").app, ["finish", url])
    assert done.exit_code == 2
    assert "s3cret" not in done.output


@pytest.mark.parametrize(("module", "line"), CASES)
def test_a_url_is_refused_and_nothing_is_written(module, line, tmp_path):
    with chdir(tmp_path):
        done = CliRunner().invoke(import_module(module).app, line.split())
        assert done.exit_code == 2, done.output
        assert f"{URL} is a URL; name a path of this machine" in " ".join(done.stderr.split())
        assert list(Path().iterdir()) == []
