"""What an address holds: from the hub, from the pages of a web server, and from our own list."""

import pytest

from ingest.catalogue import catalogue
from ingest.fetching.listing import list_files, with_sizes
from ingest.fetching.published import ListedFile, Publication, publications
from shards.errors import SettingsError, SourceError
from tests.ingest.web_server import content

SMALL, LARGE = content(40), content(2000)


def test_each_system_of_the_catalogue_has_an_address():
    assert sorted(publications()) == sorted(catalogue())
    schemes = {publication.url.partition("://")[0] for publication in publications().values()}
    assert schemes == {"hf", "https"}


def test_names_in_braces_give_the_files_of_the_release():
    # 10 gases, 13 files and 9 cooling times, each in three splits.
    counts = {
        name: len(list_files(publication))
        for name, publication in publications().items()
        if publication.listed
    }
    assert counts == {
        "euler_multi_quadrants_periodicBC": 30,
        "supernova_explosion_128": 39,
        "turbulent_radiative_layer_3D": 27,
        "pdebench_cns3d_random": 1,
        "pdebench_cns3d_turbulent": 1,
    }


def test_a_file_may_have_another_name_there():
    (file,) = list_files(publications()["pdebench_cns3d_turbulent"])
    assert file.url == "https://darus.uni-stuttgart.de/api/access/datafile/164694"
    (mirrored,) = list_files(publications()["pdebench_cns3d_turbulent"].at("https://host/mirror"))
    assert mirrored.url == f"https://host/mirror/{file.path}"
    assert mirrored.checksum == file.checksum


def test_the_hub_lists_sizes_and_checksums_in_pages(shelf, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", shelf.url)
    shelf.files = {"README.md": SMALL, "data/train/a b.hdf5": LARGE, "data/test/c.hdf5": LARGE}
    files = list_files(Publication("hf://datasets/somebody/waves"))
    assert [(file.path, file.size, file.split) for file in files] == [
        ("README.md", 40, None),
        ("data/test/c.hdf5", 2000, "test"),
        ("data/train/a b.hdf5", 2000, "train"),
    ]
    assert [file.checksum.kind for file in files] == ["git", "sha256", "sha256"]
    assert files[2].url == f"{shelf.url}/datasets/somebody/waves/resolve/main/data/train/a%20b.hdf5"
    (only,) = list_files(Publication("hf://datasets/somebody/waves@main/data/test"))
    assert only.path == "c.hdf5"


def test_the_token_of_the_hub_goes_to_the_hub_alone(shelf, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    shelf.files = {"a.nc": LARGE}
    with_sizes(list_files(Publication(shelf.url)))
    assert set(shelf.permissions) == {""}
    monkeypatch.setenv("HF_ENDPOINT", shelf.url)
    shelf.permission = "Bearer hf_s3cret"
    (file,) = list_files(Publication("hf://datasets/somebody/waves"))
    assert file.path == "a.nc"


def test_the_pages_of_a_web_server_are_followed_below_the_address_alone(shelf):
    shelf.files = {"well/data/train/a.hdf5": LARGE, "well/data/test/b.hdf5": SMALL, "other/c.hdf5": SMALL}
    files = with_sizes(list_files(Publication(f"{shelf.url}/well")))
    assert [(file.path, file.size) for file in files] == [
        ("data/test/b.hdf5", 40),
        ("data/train/a.hdf5", 2000),
    ]


@pytest.mark.parametrize(
    "link", ["%2e%2e/%2e%2e/escaped", "a%2f..%2f..%2fescaped", "a%5c..%5cescaped", "a%00b", "a%0ab"]
)
def test_a_page_that_names_a_path_outside_the_folder_is_refused(shelf, link):
    page = f'<a href="/well/{link}">file</a>'
    shelf.instead["well/"] = (200, {"Content-Type": "text/html"}, page.encode())
    with pytest.raises(SourceError, match="not a path below the folder"):
        list_files(Publication(f"{shelf.url}/well"))


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a//b", "a/./b", "c:/x", "a\\..\\x", "a\nb"])
def test_a_hub_that_names_a_path_outside_the_folder_is_refused(shelf, monkeypatch, path):
    monkeypatch.setenv("HF_ENDPOINT", shelf.url)
    shelf.files = {path: SMALL}
    with pytest.raises(SourceError, match="not a path below the folder"):
        list_files(Publication("hf://datasets/somebody/waves"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>"), "a web page instead of the list of files"),
        ((200, {}, b"<!DOCTYPE html><title>Sign in"), "a web page instead of the list of files"),
        ((401, {}, b""), "answers 401; log in, .* put your token of the hub into HF_TOKEN"),
        ((200, {"Link": '<http://other/x>; rel="next"'}, b"[]"), "continues its list at"),
        ((200, {}, b'{"error": "gated"}'), "no list of files"),
        ((404, {}, b""), "answers 404"),
    ],
)
def test_a_hub_that_answers_something_else_is_one_line(shelf, monkeypatch, answer, words):
    monkeypatch.setenv("HF_ENDPOINT", shelf.url)
    shelf.instead["api/datasets/somebody/waves/tree/main"] = answer
    with pytest.raises(SourceError, match=words):
        list_files(Publication("hf://datasets/somebody/waves"))


PASSWORD = b'<!DOCTYPE html><a href="/well/help">Help</a><form><input name="p" type="password"></form>'
ELSEWHERE = b'<!DOCTYPE html><title>Choose your institute</title><a href="/well/help">Help</a>'
HTML = {"Content-Type": "text/html"}
SENT_TO_LOGIN = (302, {"Location": "/user/Login?next=well"}, b"")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"well/": (200, HTML, PASSWORD)}, "a login instead of the list of the folder; fetch takes user"),
        (
            {"well/": SENT_TO_LOGIN, "user/Login": (200, HTML, ELSEWHERE)},
            "a login instead of the list of the folder; fetch takes user and password in the address",
        ),
        ({"well/": (401, {}, b"")}, "answers 401; fetch takes user and password in the address"),
        ({"well/": (403, HTML, PASSWORD)}, "answers 403; fetch takes user and password in the address"),
        ({"well/": (200, HTML, b"<!DOCTYPE html>Welcome")}, "lists no files there, perhaps a login"),
    ],
)
def test_a_login_in_place_of_the_list_of_a_folder_is_named(shelf, answers, words):
    shelf.files, shelf.instead = {"well/a.hdf5": SMALL}, answers
    with pytest.raises(SourceError, match=words) as caught:
        list_files(Publication(f"{shelf.url}/well"))
    assert str(caught.value).startswith(f"{shelf.url}/well")
    assert "\n" not in str(caught.value)


def test_a_folder_that_has_moved_is_listed_as_before(shelf):
    shelf.files = {"authors/v2/a.hdf5": SMALL, "v1/a.hdf5": SMALL}
    shelf.instead["v1/"] = (302, {"Location": "/authors/v2/"}, b"")
    (file,) = list_files(Publication(f"{shelf.url}/v1"))
    assert file.path == "a.hdf5"


@pytest.mark.parametrize("url", ["http://localhost:1/files", "hf://datasets/somebody/waves"])
def test_a_network_that_fails_is_one_line(monkeypatch, url):
    monkeypatch.setenv("HF_ENDPOINT", "http://nowhere.invalid")
    with pytest.raises(SourceError, match=r"gives no list of files .* check the network"):
        list_files(Publication(url))


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(SettingsError, match="expected an address that begins with"):
        list_files(Publication("s3://bucket/x"))
    with pytest.raises(SettingsError, match="expected hf://datasets/OWNER/NAME"):
        list_files(Publication("hf://somebody/waves"))


def test_a_file_that_is_named_twice_is_refused():
    listed = (ListedFile("a.nc"), ListedFile("{a,b}.nc"))
    with pytest.raises(SourceError, match="lists a file twice"):
        list_files(Publication("https://host/x", listed=listed))
