"""A real browser without a window, and what a person does with a viewer in it."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
NEEDS_BROWSER = pytest.mark.skipif(BROWSER is None, reason="no browser on this machine")
_HELPERS = """
const root = document.querySelector(".viewer"), seen = {};
const wait = (milliseconds = 50) => new Promise((done) => setTimeout(done, milliseconds));
const colours = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
// What the page shows after an action: its words, a sum of the colours of each picture, the first button.
async function see(name, act) {
  await act();
  await wait();
  const canvases = [...root.querySelectorAll(".picture > canvas")];
  const sumOf = (canvas) => colours(canvas).reduce((sum, value, i) => (sum * 31 + value + i) % 1e9, 0);
  const sums = canvases.map(sumOf);
  seen[name] = [root.querySelector(".step-text").textContent, sums, root.querySelector("button").textContent];
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
"""


def opened(path: Path, folder: Path, *options: str) -> str:
    """The page as the browser has it after its scripts ran; `folder` is for the browser's own files."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *options]
    where = [f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*command, *where, path.as_uri()], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(page: str, actions: str, folder: Path, *options: str) -> dict[str, tuple[str, list[int], str]]:
    """Words, colours of each picture and first button of the first viewer, after each of `actions`.

    `actions` are lines of `await see(NAME, () => ...)`, with `key`, `button` and `choose`.
    """
    # The policy of the page lets no other script run, so it is left out here.
    open_page = re.sub(r'<meta http-equiv="?Content-Security-Policy"?[^>]*>', "", page)
    end = 'document.body.setAttribute("data-seen", JSON.stringify(seen));'
    script = f"{_HELPERS}(async () => {{ await wait(); {actions} {end} }})();"
    path = folder / "page.html"
    path.write_text(f"{open_page}<script>{script}</script>", encoding="utf-8")
    found = re.search(r'data-seen="([^"]*)"', opened(path, folder, *options))
    assert found, "the actions did not come to their end"
    return {name: tuple(shown) for name, shown in json.loads(unescape(found[1])).items()}
