"""A dataset in a real S3 server is sent, listed, checked, described and read as the one in its folder is.

Runs where moto and s3fs are installed (docs/decisions/0163-upload.md): pip install 'moto[server]' s3fs
"""

from pathlib import Path

import numpy as np
import pytest

import walrus.data
from walrus.api import stored

server = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """The URL of a bucket in a server of its own."""
    started = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    started.start()
    host, port = started.get_host_and_port()
    variables = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().makedirs("shards", exist_ok=True)
    yield "s3://shards"
    started.stop()


@pytest.mark.slow
def test_a_dataset_in_a_store_is_the_one_in_its_folder(good, build, command, bucket, tmp_path):
    build()
    folder, url = tmp_path / "root" / "waves", f"{bucket}/root/waves"
    assert command("upload", folder, "--to", f"{bucket}/root").exit_code == 0
    assert "nothing to send" in command("upload", folder, "--to", f"{bucket}/root").stdout
    for options in (["verify"], ["verify", "--against-source", good.source]):
        here, there = command(*options, folder), command(*options, url)
        assert (there.exit_code, there.stdout) == (0, here.stdout.replace(str(folder), url))
    here, there = command("ls", folder.parent), command("ls", f"{bucket}/root")
    assert there.stdout.splitlines()[1:] == here.stdout.splitlines()[1:]

    page = tmp_path / "page.html"
    assert command("report", url, "--out", page).exit_code == 0
    command("report", folder)
    assert page.read_bytes() == (folder / "report.html").read_bytes()

    frames = [stored(place, "train", trajectory=1, first=2, frames=3).frames_TCS for place in (folder, url)]
    np.testing.assert_array_equal(*frames)
    assert walrus.data.open(url).card == walrus.data.open(folder).card
    xr = pytest.importorskip("xarray")
    xr.testing.assert_identical(
        xr.open_dataset(folder, engine="walrus").load(), xr.open_dataset(url, engine="walrus").load()
    )


@pytest.mark.slow
def test_sources_in_a_store_build_the_dataset_of_their_copies(good, build, bucket, tree, tmp_path):
    for path in Path(good.source).rglob("*.hdf5"):
        s3fs.S3FileSystem().put_file(str(path), f"shards/sources/{path.relative_to(good.source)}")
    build()
    build(start=f"{bucket}/sources", root=tmp_path / "there")
    assert tree(tmp_path / "there") == tree(tmp_path / "root")
