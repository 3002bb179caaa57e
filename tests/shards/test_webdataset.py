"""Windows out of the tars by webdataset's own pipeline: the same as by number, over HTTP and pipes, whatever
breaks.
"""

import pickle
import tarfile
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from shutil import copytree
from threading import Thread

import numpy as np
import pytest
import torch
import webdataset

from shards.errors import SettingsError, ShardError
from shards.webdataset import WindowSample, windows


@pytest.fixture(scope="module")
def folder(pristine):
    """2 trajectories of 24 frames, in samples of 5, 5, 5, 5 and 4."""
    return pristine["webdataset"]


@pytest.fixture(scope="module")
def tar(folder):
    return str(folder / "valid" / "valid-00000.tar")


def expected(raw, frames, stride, every=1):
    """(row, first, fields) of every window."""
    reach = (frames - 1) * stride
    return [
        (row, first, raw(row).frames[first : first + reach + 1 : stride])
        for row in (0, 1)
        for first in range(0, 24 - reach, every)
    ]


def read(urls, stage, **options):
    return list(webdataset.WebDataset(urls, shardshuffle=False, **options).compose(stage))


@pytest.mark.parametrize(
    ("frames", "stride", "every"), [(1, 1, 1), (4, 1, 1), (3, 4, 1), (2, 11, 3), (24, 1, 1), (25, 1, 1)]
)
def test_windows_are_all_there_across_the_samples_of_a_trajectory(tar, raw, frames, stride, every):
    found = read(tar, windows(frames, stride, every))
    wanted = expected(raw, frames, stride, every)
    assert len(found) == len(wanted)
    for window, (row, first, fields) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(window.fields, fields)
        np.testing.assert_array_equal(window.static, raw(row).static)
        np.testing.assert_array_equal(
            window.time, raw(row).time[first : first + (frames - 1) * stride + 1 : stride]
        )
        assert window.channels == ("pressure", "velocity_x", "velocity_y")
        assert window.fields.base is None


def test_a_window_has_the_names_of_a_sample_of_walrus_data():
    from walrus.data import Sample

    assert WindowSample._fields == Sample._fields


def test_workers_of_a_loader_train_from_a_server(folder, served, raw):
    copies = [f"{served(folder)}/valid/valid-00000.tar" for _ in range(2)]
    stream = webdataset.WebDataset(copies, shardshuffle=2, seed=1).compose(windows(4, 2)).shuffle(20)
    loader = webdataset.WebLoader(stream, batch_size=8, num_workers=2)
    weight = torch.zeros(3, 1, 1, requires_grad=True)
    seen, losses = 0, []
    for batch in loader:
        assert batch.fields.shape[1:] == (4, 3, 64, 48)
        loss = (batch.fields[:, 2] * (1 + weight) - batch.fields[:, 3]).square().mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.1 * gradient).detach().requires_grad_()
        losses.append(loss.item())
        seen += len(batch.fields)
    assert seen == 2 * len(expected(raw, 4, 2))
    assert all(np.isfinite(losses))


def test_nodes_and_workers_take_tars_of_their_own(folder, tmp_path, monkeypatch):
    for number in range(4):
        copytree(folder / "valid", tmp_path / str(number))
    urls = [str(tmp_path / str(number) / "valid-00000.tar") for number in range(4)]
    seen = []
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        stream = webdataset.WebDataset(urls, shardshuffle=False, nodesplitter=webdataset.split_by_node)
        seen.append(len(list(stream.compose(windows(24)))))
    assert seen == [4, 4]


def test_a_tar_may_be_resampled_and_read_from_a_pipe(tar, raw):
    stream = webdataset.WebDataset([tar], resampled=True, shardshuffle=False).compose(windows(24)).slice(7)
    assert len(list(stream)) == 7
    piped = read(f"pipe:cat {tar}", windows(24))
    np.testing.assert_array_equal(piped[1].fields, raw(1).frames)


def damaged(folder, place, name):
    """A copy whose third sample's `name` is damaged."""
    copytree(folder, place)
    tar = place / "valid" / "valid-00000.tar"
    with tarfile.open(tar) as opened:
        (member,) = [each for each in opened if each.name.endswith(f"-00000_002.{name}")]
    with tar.open("r+b") as file:
        file.seek(member.offset_data)
        file.write(b"\xff" * 16)
    return str(tar)


@pytest.mark.parametrize("name", ["fields.shard", "boundary.shard", "static.shard", "grid.json", "json"])
def test_a_damaged_member_is_named_and_may_be_passed_over(folder, tmp_path, raw, name):
    tar = damaged(folder, tmp_path / "copy", name)
    with pytest.raises(ShardError, match=r"valid-00000\.tar: acoustic\S+_002: .*copy the tar here again"):
        read(tar, windows(4))
    told = []

    def note(error):
        told.append(str(error))
        return True

    found = read(tar, windows(4, handler=note))
    assert len(told) == 1
    # Frames 10 to 14 of the first trajectory are lost, and with them all windows that hold one.
    starts = [first for row, first, _ in expected(raw, 4, 1) if row == 1 or first <= 6 or first >= 15]
    assert len(found) == len(starts)
    assert all(np.isfinite(window.fields).all() for window in found)
    assert len(read(tar, windows(4, handler=webdataset.warn_and_stop))) == 7


class Broken(SimpleHTTPRequestHandler):
    """Sends the first nine tenths of a file."""

    def copyfile(self, source, target):
        content = source.read()
        target.write(content[: 9 * len(content) // 10])

    def log_message(self, *arguments):
        pass


def test_a_lost_connection_goes_to_the_handlers(folder, raw):
    with HTTPServer(("127.0.0.1", 0), partial(Broken, directory=str(folder))) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/valid/valid-00000.tar"
        with pytest.raises(Exception, match=r"unexpected end|exit 18|\(status\)|curl"):
            read(url, windows(4))
        told = []

        def note(error):
            told.append(error)
            return True

        found = read(url, windows(4, handler=note), handler=note)
        server.shutdown()
    assert told
    whole = [fields for _, _, fields in expected(raw, 4, 1)]
    assert 21 < len(found) < len(whole)
    for window, fields in zip(found, whole, strict=False):
        np.testing.assert_array_equal(window.fields, fields)


def test_what_was_decoded_before_or_is_no_tar_of_ours_is_refused(tar):
    stream = webdataset.WebDataset(tar, shardshuffle=False).decode().compose(windows(2))
    with pytest.raises(ShardError, match=r"remove \.decode\(\)"):
        list(stream)
    with pytest.raises(ShardError, match=r"has no grid\.json, fields\.shard"):
        list(windows(2)([{"__key__": "other", "json": b"{}"}]))
    with pytest.raises(SettingsError, match="frames 0, stride 1, every 1; expected 1 or more"):
        windows(0)


def test_nothing_is_ever_unpickled(tar, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    assert len(read(tar, windows(24))) == 2
