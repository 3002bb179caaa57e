"""One file from a server that misbehaves: whole and proven, or an error in one line and nothing lost."""

import hashlib
from threading import Event

import pytest

from ingest.fetching.download import download, part_bytes
from ingest.remote.listing import Checksum, RemoteFile
from shards.errors import SourceError
from tests.ingest.web_server import content

DATA = content(300_000)
NAME = "data/train/a.hdf5"


@pytest.fixture
def get(shelf, tmp_path):
    """Fetches the file into the folder, and gives its bytes."""
    shelf.files[NAME] = DATA

    def call(**stated: object) -> bytes:
        download(RemoteFile(NAME, f"{shelf.url}/{NAME}", **stated), tmp_path, lambda position: None, Event())
        assert [path.name for path in (tmp_path / NAME).parent.iterdir()] == ["a.hdf5"]
        return (tmp_path / NAME).read_bytes()

    return call


@pytest.fixture
def failure(get):
    def call(**stated: object) -> str:
        with pytest.raises(SourceError) as caught:
            get(**stated)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return call


def sha256(data: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(data).hexdigest())


def ranges(shelf) -> list[str]:
    return [said for _, path, said in shelf.asked if path == NAME]


def test_a_file_comes_whole_and_its_part_is_gone(get):
    assert get(size=len(DATA), checksum=sha256(DATA)) == DATA


def test_a_connection_that_breaks_again_and_again_is_taken_up_where_it_broke(get, shelf):
    shelf.breaks_after = 70_000
    assert get(size=len(DATA)) == DATA
    # More often than there are waits: each attempt brought something.
    assert ranges(shelf) == ["", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"]


def test_a_part_of_an_earlier_run_is_taken_up(get, shelf, failure, tmp_path):
    shelf.breaks_after = 0
    shelf.files[NAME] = DATA
    assert "in 3 attempts" in failure(size=len(DATA))
    shelf.breaks_after = 100_000
    shelf.instead[NAME] = (503, {}, b"")
    assert "answers 503" in failure(size=len(DATA))
    shelf.instead.clear()
    shelf.asked.clear()
    assert get(size=len(DATA)) == DATA
    assert ranges(shelf) == ["", "bytes=100000-", "bytes=200000-"]


def test_a_server_that_gives_no_ranges_sends_it_from_the_beginning(get, shelf):
    shelf.gives_ranges, shelf.breaks_after = False, 200_000
    shelf.next_content[NAME] = DATA
    with pytest.raises(SourceError, match="in 3 attempts"):
        get(size=len(DATA))
    shelf.breaks_after = None
    assert get(size=len(DATA)) == DATA


def test_a_file_that_changes_there_is_never_joined_from_two_versions(get, shelf):
    later = content(len(DATA), seed=1)
    shelf.breaks_after, shelf.next_content[NAME] = 170_000, later
    assert get() == later


def test_bytes_without_a_version_are_asked_for_anew_unless_a_checksum_proves_them(get, shelf):
    shelf.gives_tags, shelf.breaks_after = False, 170_000
    assert get(checksum=sha256(DATA)) == DATA
    assert ranges(shelf) == ["", "bytes=170000-"]
    shelf.asked.clear()
    with pytest.raises(SourceError, match="attempts"):
        get()
    assert set(ranges(shelf)) == {""}


def test_a_file_that_became_shorter_there_is_asked_for_anew(get, shelf, failure, tmp_path):
    shelf.breaks_after = 200_000
    shelf.next_content[NAME] = shorter = content(100_000, seed=2)
    assert get() == shorter


@pytest.mark.parametrize(
    "checksum",
    [sha256(b"other"), Checksum("md5", "0" * 32), Checksum("git", "0" * 40)],
    ids=lambda checksum: checksum.kind,
)
def test_other_bytes_than_the_published_ones_are_refused_and_removed(failure, checksum, tmp_path):
    assert f"its {checksum.kind} is not the published one" in failure(checksum=checksum)
    assert part_bytes(RemoteFile(NAME, ""), tmp_path) == 0
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("kind", ["sha256", "md5", "git"])
def test_each_kind_of_checksum_fits_the_right_bytes(get, kind):
    digests = {
        "sha256": hashlib.sha256(DATA),
        "md5": hashlib.md5(DATA),
        "git": hashlib.sha1(b"blob 300000\0" + DATA),
    }
    assert get(checksum=Checksum(kind, digests[kind].hexdigest())) == DATA


def test_a_size_other_than_the_stated_one_is_refused_before_it_is_fetched(failure, tmp_path):
    assert "has 300000 bytes, the list of files says 7" in failure(size=7)
    assert part_bytes(RemoteFile(NAME, ""), tmp_path) == 0


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>Sign in", "a web page instead of the file"),
        (200, {"Content-Type": "text/plain"}, b"\n <!DOCTYPE html><title>", "a web page instead of the file"),
        (401, {}, b"", "answers 401; fetch takes user and password in the address"),
        (403, {}, b"", "answers 403; fetch takes user and password in the address"),
        (404, {}, b"", "answers 404; there is no such file"),
        (302, {"Location": "file:///etc/passwd"}, b"", "answers 302"),
        (302, {"Location": "ftp://localhost/x"}, b"", "redirects to ftp://localhost/x"),
    ],
)
def test_an_answer_that_is_not_the_file_says_what_to_do(
    failure, shelf, status, headers, body, words, tmp_path
):
    shelf.instead[NAME] = (status, headers, body)
    assert words in failure()
    assert not (tmp_path / NAME).exists()


def test_a_server_that_is_busy_is_asked_again(get, shelf):
    shelf.instead[NAME] = (503, {"Retry-After": "0"}, b"")
    with pytest.raises(SourceError, match="answers 503"):
        get()
    assert len(shelf.asked) == 3


def test_a_password_goes_to_the_server_and_into_no_message(shelf, tmp_path):
    shelf.instead[NAME] = (404, {}, b"")
    url = f"{shelf.url}/{NAME}?sig=t0ken".replace("//", "//me:s3cret@", 1)
    with pytest.raises(SourceError) as caught:
        download(RemoteFile(NAME, url), tmp_path, lambda position: None, Event())
    assert shelf.permissions == ["Basic bWU6czNjcmV0"]
    assert "s3cret" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


def test_a_password_is_not_sent_on_to_another_address(shelf, tmp_path):
    shelf.files["there"] = DATA
    shelf.instead[NAME] = (302, {"Location": f"{shelf.url}/there"}, b"")
    url = f"{shelf.url}/{NAME}".replace("//", "//me:s3cret@", 1)
    download(RemoteFile(NAME, url), tmp_path, lambda position: None, Event())
    assert shelf.permissions == ["Basic bWU6czNjcmV0", ""]
    assert (tmp_path / NAME).read_bytes() == DATA


def test_a_link_in_the_place_of_the_part_is_not_written_through(failure, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / f"{NAME}.part").symlink_to(tmp_path / "precious")
    assert "cannot be written" in failure()
    assert (tmp_path / "precious").read_text() == "mine"
