"""The report of a dataset needs nothing else, says what the card says, and is no part of the dataset."""

import base64
import io
import json
import zlib
from html.parser import HTMLParser
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

import ingest.reporting.report
from ingest.building.build import build as build_dataset
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from ingest.reporting.report import report
from shards.drawing.viewer import script
from shards.program.byte_size import size_in_words
from shards.program.settings import make
from shards.read import Dataset

SOLID = (170, 177, 184)
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Tags, texts, table rows and attributes; every tag must be closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["td"] or self.open[-1:] == ["th"]:
            self.rows[-1].append(data)
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]

    def pictures(self) -> list[Image.Image]:
        return [Image.open(io.BytesIO(base64.b64decode(value.split(",")[1]))) for value in self.values("src")]

    def row(self, name: str) -> list[str]:
        return next(row[1:] for row in self.rows if row and row[0] == name)


def written(folder: Path, shape: tuple[int, ...], dtype: str = "f4", **changes: object) -> Dataset:
    """Three trajectories of a random walk on any grid; changes are keys of the recipe."""
    axes = ["x", "y", "z"][: len(shape)]
    values = {"u": np.random.default_rng(7).normal(size=(3, 5, *shape)).cumsum(1).astype(dtype)}
    values["stone"] = (np.indices(shape).sum(0) == 2).astype("i4")
    tables = {
        "name": "walk",
        "source": "arrays",
        "title": "A walk",
        "axes": axes,
        "layout": " ".join(["n", "t", *axes]),
        "fields": [{"name": "u", "unit": "m/s"}],
        "time": {"step": 0.5},
        "coordinates": {axis: {"lower": 0.0, "upper": 2.0} for axis in axes},
        "boundaries": {axis: ["wall", "open"] for axis in axes},
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "a.npz", **values)
    plan = plan_build(make(Recipe, tables | changes, "walk.toml"), folder / "a.npz", "zarr", "lz4")
    return Dataset(build_dataset(plan, folder / "root", Resources(1)).folder)


@pytest.fixture(scope="module")
def acoustic(root, tmp_path_factory) -> Dataset:
    name = "acoustic_scattering_discontinuous"
    return Dataset(copytree(root / name, tmp_path_factory.mktemp("acoustic") / name))


@pytest.fixture(scope="module")
def page(acoustic) -> Page:
    return Page(report(acoustic))


def test_the_report_needs_nothing_else(page, acoustic):
    assert all(value.startswith("data:image/png;base64,") for value in page.values("src"))
    assert page.values("href") == [acoustic.card.home]
    assert not {"link", "iframe", "object"} & page.tags
    assert not any(
        word in (acoustic.folder / "report.html").read_text("utf-8") for word in ("url(", "@import")
    )


def test_every_picture_can_be_opened_and_is_described(page):
    assert [picture.format for picture in page.pictures()] == ["PNG"] * 6
    assert len([words for words in page.values("alt") if words]) == 6


def test_the_report_says_what_the_card_says(page, acoustic):
    card = acoustic.card
    for text in (
        card.title,
        card.licence,
        card.citation,
        card.note,
        *card.differences,
        card.inputs[0].digest,
    ):
        assert text in page.text
    assert "x wall to open, y wall to open" in page.text
    moments = card.moments["velocity_x"]
    assert page.row("velocity x")[:2] == [f"{moments.mean:.4g}", f"{moments.std:.4g}"]
    assert page.row("velocity x")[-1] == "2⁻⁴"
    assert page.row("zeros like density")[-3:-1] == ["–", "–"]


def test_the_viewer_has_every_field_at_the_times_of_its_frames(page, acoustic):
    shown = json.loads(page.scripts[0])
    entries = acoustic.entries("train")
    assert [film["name"] for film in shown["films"]] == [entries[0].key, entries[4].key, entries[7].key]
    film = shown["films"][1]
    assert [field["name"] for field in film["fields"]] == list(acoustic.card.schema.channels)
    times = acoustic.document(entries[4]).trajectory.time
    assert film["steps"][5] == f"frame 5, t = {times[5]:.4g}"
    strip = film["fields"][2]["strips"][0]["field"]
    levels = np.frombuffer(zlib.decompress(base64.b64decode(strip["data"])), np.uint8).cumsum(dtype=np.uint8)
    seen_TVU = levels.reshape(film["fields"][2]["strips"][0]["size"])
    frame_TCS = np.empty((1, *acoustic.card.schema.frame_shape), "f4")
    acoustic.read_frames(entries[4], [5], frame_TCS)
    truth_VU = frame_TCS[0, 2].T[::-1] * acoustic.document(entries[4]).scale[2]
    shown_VU = strip["low"] + (seen_TVU[5] - 1.0) / 254 * (strip["high"] - strip["low"])
    inside = (truth_VU > strip["low"]) & (truth_VU < strip["high"])
    assert inside.mean() > 0.9
    step = (strip["high"] - strip["low"]) / 254
    np.testing.assert_allclose(shown_VU[inside], truth_VU[inside], atol=0.51 * step)


def test_compression_is_raw_over_stored(page, acoustic):
    trajectories, frames, raw, stored, ratio = page.row("train")
    raw_bytes = 192 * 3 * 64 * 48 * 4 + 8 * 2 * 64 * 48 * 4
    stored_bytes = sum(
        path.stat().st_size for path in (acoustic.folder / "train").rglob("*") if path.is_file()
    )
    assert (trajectories, frames, raw, stored) == (
        "8",
        "192",
        size_in_words(raw_bytes),
        size_in_words(stored_bytes),
    )
    assert ratio == f"{raw_bytes / stored_bytes:.2f} ×"


def test_what_was_left_out_is_told_with_its_reason(command, build, good, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest.reporting.report, "MOST", 1)
    heights = np.random.default_rng(8).normal(size=(3, 5, 6, 4)).astype("f4")
    heights[1, 2, 3, 1] = np.nan
    good.write("train/one", height=heights)
    build()
    command("report", tmp_path / "root" / "waves")
    page = Page(tmp_path / "root" / "waves" / "report.html")
    (item,) = Dataset(tmp_path / "root" / "waves").card.quarantine
    assert page.row(item.path) == ["1", item.reason]
    assert page.row("slope") == ["0.25"]
    assert "4 input files" in page.text
    assert "… and 3 more in card.json." in page.text


def test_the_report_is_no_part_of_the_dataset(command, build, good, tree, tmp_path):
    folder, copy = tmp_path / "root" / "waves", tmp_path / "copy"
    build()
    before = tree(folder)
    assert command("report", folder).stdout == f"{folder / 'report.html'}\n"
    text = (folder / "report.html").read_bytes()
    assert tree(folder) == before | {"report.html": text}
    assert command("verify", folder, "--against-source", good.source).exit_code == 0
    assert "nothing to do" in build().stdout
    assert command("convert", folder, "--format", "webdataset", "--to", copy).exit_code == 0
    path = copy / "waves" / "report.html"
    assert json.loads(command("report", copy / "waves", "--json").stdout) == {"report": str(path)}
    assert command("verify", copy / "waves").exit_code == 0
    assert tree(folder) == before | {"report.html": text}


def test_a_report_of_other_data_is_taken_away(command, build, good, tmp_path):
    folder, more = tmp_path / "root" / "waves", tmp_path / "more"
    path, again = folder / "report.html", ("append", good.recipe, "--to", folder.parent, "--workers", 1)
    build()
    command("report", folder)
    assert command(*again, "--from", good.source).exit_code == 0
    assert path.exists()
    good.write("train/three", rows=1)
    (good.source / "train" / "three.hdf5").rename(more)
    assert command(*again, "--from", more).exit_code == 0
    assert not path.exists()
    command("report", folder)
    more.rename(good.source / "train" / "three.hdf5")
    good.write("train/one", rows=3, frames=6)
    build(root=tmp_path / "other", start=good.source)
    command("report", tmp_path / "other" / "waves")
    good.write("train/one", rows=3, frames=7)
    assert build(root=tmp_path / "other", start=good.source).exit_code == 0
    assert not (tmp_path / "other" / "waves" / "report.html").exists()


def test_what_rounding_cost_and_what_decided_the_split_are_told(command, build, good, tmp_path):
    folder = tmp_path / "root" / "waves"
    build("--keep-error", 0.01)
    command("report", folder)
    page, errors = Page(folder / "report.html"), Dataset(folder).card.errors
    (allowed, reached, share) = next(row[1:] for row in page.rows if row[0] == "flow" and len(row) == 4)
    assert (allowed, reached) == (f"{errors['flow'].allowed:.4g}", f"{errors['flow'].reached:.4g}")
    assert 0 < float(share) < 0.02
    assert "all: by their folder, otherwise 80 % train, 10 % valid, 10 % test in order" in page.text


def test_the_same_dataset_gives_the_same_report(page, acoustic):
    text = (acoustic.folder / "report.html").read_bytes()
    assert report(Dataset(acoustic.folder)).read_bytes() == text


def test_a_damaged_dataset_is_told_in_one_line(build, good, command, tmp_path):
    build()
    folder = tmp_path / "root" / "waves"
    next((folder / "train").rglob("fields/c/0/0/0/0")).write_bytes(b"short")
    result = command("report", folder)
    assert result.exit_code == 1
    assert result.stderr.startswith("walrus-ingest report: ")
    assert result.stderr.count("\n") == 1
    assert not (folder / "report.html").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("shape", "dtype"), [((9,), "f8"), ((6, 5, 4), "f8"), ((8, 1), "f4")])
def test_any_grid_has_a_report(shape, dtype, tmp_path):
    page = Page(report(written(tmp_path, shape, dtype)))
    # A volume is shown twice: its middle plane, and a look through it.
    assert len(page.pictures()) == 5 + (len(shape) == 3)
    assert ("each field at several times, largest along z" in page.values("alt")) == (len(shape) == 3)
    assert f"{' × '.join(map(str, shape))} cartesian" in page.text
    assert "u [m/s]" in page.text


def test_obstacles_are_grey_in_the_domain_and_in_the_fields(page, tmp_path):
    mask = {"stored": "stone", "solid": "nonzero", "layout": "x y"}
    domain, fields, *_ = Page(report(written(tmp_path, (7, 5), mask=mask))).pictures()
    for picture in (domain, fields):
        assert (np.asarray(picture.convert("RGB")) == SOLID).all(-1).mean() > 0.01
    assert (np.asarray(page.pictures()[0].convert("RGB")) == SOLID).all(-1).mean() < 0.001


def test_strings_are_escaped_and_only_an_address_becomes_a_link(tmp_path):
    evil = "<script>alert('1')</script> & more"
    texts = {"title": evil, "licence": evil, "citation": evil, "note": evil, "home": "javascript:alert(1)"}
    page = Page(report(written(tmp_path, (6, 4), **texts)))
    # The title stands in the head as well.
    assert page.text.count(evil) == 5
    # The data of the viewer, and our script, which the policy of the page names by its hash.
    assert page.scripts[1:] == [script()]
    assert page.values("href") == []
