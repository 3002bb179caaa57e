"""The viewer of a report in a real browser: a choice by mouse or by key changes the picture that is shown."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from ingest.reporting.films import dataset_viewer
from shards.drawing.html_page import page
from shards.drawing.viewer import script
from shards.read import Dataset

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
# What a person does, and after each what the page shows: the words, and a sum of the colours.
ACTIONS = """
const root = document.querySelector(".viewer"), seen = {};
const wait = () => new Promise((done) => setTimeout(done, 50));
async function see(name, act) {
  await act();
  await wait();
  const canvas = root.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  pixels.forEach((value, place) => { sum = (sum * 31 + value + place) % 1000000007; });
  seen[name] = [root.querySelector(".told").textContent, sum, root.querySelector("button").textContent];
}
const pictures = root.querySelector(".pictures");
const key = (name) => pictures.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
const button = (label) => root.querySelector(`button[aria-label="${label}"]`).click();
function choose(label, value) {
  const labels = [...root.querySelectorAll("label")];
  const select = labels.find((each) => each.textContent.startsWith(label)).querySelector("select");
  select.value = value;
  select.dispatchEvent(new Event("change"));
}
(async () => {
  await wait();
  await see("begin", () => {});
  await see("one step on", () => button("one step on"));
  await see("one step back", () => button("one step back"));
  await see("right", () => key("ArrowRight"));
  await see("left", () => key("ArrowLeft"));
  await see("field", () => choose("Field", 1));
  await see("plane", () => choose("Plane", 1));
  await see("trajectory", () => choose("Trajectory", 1));
  await see("playing", () => key(" "));
  await see("paused", () => key(" "));
  document.body.setAttribute("data-seen", JSON.stringify(seen));
})();
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no browser on this machine")]


@pytest.fixture(scope="module")
def seen(root, tmp_path_factory):
    """Words and colours after each action, of a volume."""
    folder = tmp_path_factory.mktemp("page")
    text = page("A volume", dataset_viewer(Dataset(root / "MHD_64"), "train"), script())
    # The policy of the page lets no other script run, so it is left out here.
    text = re.sub(r'<meta http-equiv="?Content-Security-Policy"?[^>]*>', "", text)
    (folder / "page.html").write_text(f"{text}<script>{ACTIONS}</script>", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    where = [f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run(
        [*command, *where, (folder / "page.html").as_uri()], capture_output=True, text=True, timeout=90
    )
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, done.stderr
    return json.loads(unescape(found[1]))


def test_a_step_on_changes_the_picture_and_a_step_back_restores_it(seen):
    for on, back in (("one step on", "one step back"), ("right", "left")):
        assert seen[on][0] != seen["begin"][0]
        assert seen[on][1] != seen["begin"][1]
        assert seen[back] == seen["begin"]
    assert seen["right"] == seen["one step on"]


def test_another_field_plane_or_trajectory_is_another_picture(seen):
    assert seen["field"][0].startswith("magnetic field")
    assert len({seen[name][1] for name in ("begin", "field", "plane", "trajectory")}) == 4


def test_the_space_bar_plays_and_pauses(seen):
    assert [seen[name][2] for name in ("begin", "playing", "paused")] == ["Play", "Pause", "Play"]
