"""A page of every kind of content in a real browser: on a phone and on a wide screen, light and dark."""

import json
import re
from html import escape, unescape

import pytest
from PIL import Image

from shards.drawing.html_page import chart, heading, page, table, text_row
from tests.browser import NEEDS_BROWSER, opened

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]
SCRIPT = """
const colour = (selector) => getComputedStyle(document.querySelector(selector)).backgroundColor;
const wide = [...document.querySelectorAll("main *")].filter((each) =>
  each.getBoundingClientRect().right > innerWidth + 1 && !each.closest(".table, figure"));
parent.document.body.setAttribute("data-seen", JSON.stringify({
  width: innerWidth, page: document.documentElement.scrollWidth, cut: wide.map((each) => each.tagName),
  back: colour("body"), chart: colour("figure"), ink: getComputedStyle(document.body).color,
  filter: getComputedStyle(document.querySelector("img")).filter,
}));
"""


PHONE = (390, 0, "rgb(13, 17, 23)", "rgb(230, 237, 243)", True)
SCREEN = (1400, 1, "rgb(255, 255, 255)", "rgb(31, 35, 40)", False)


@pytest.fixture
def text(tmp_path):
    """A page with a long name, a picture wider than a phone, and a table of many columns."""
    picture = tmp_path / "chart.png"
    Image.new("RGB", (1920, 300), "white").save(picture)
    long = "shear_flow_Reynolds_1e3_Schmidt_1e0-00000"
    row = text_row(long, *("0.123456" for _ in range(9)))
    body = heading(f"A model on {long * 2}", [("trajectory", long * 2), ("grid", "32 x 64")])
    body += chart(picture.read_bytes(), "a curve") + table(("name", *map(str, range(9))), [[row]], "numbers")
    found = re.sub(r'<meta http-equiv="?Content-Security-Policy"?[^>]*>', "", page("A page", body))
    return f"{found}<script>{SCRIPT}</script>"


@pytest.mark.parametrize(("width", "scheme", "back", "ink", "filtered"), [PHONE, SCREEN])
def test_a_page_fits_the_screen_in_the_colours_of_its_reader(
    width, scheme, back, ink, filtered, text, tmp_path
):
    # No window is narrower than 500 pixels, a frame is.
    path = tmp_path / "frame.html"
    path.write_text(f'<body><iframe width="{width}" height="900" srcdoc="{escape(text)}"></iframe>', "utf-8")
    options = ("--window-size=1500,1000", f"--blink-settings=preferredColorScheme={scheme}")
    found = re.search(r'data-seen="([^"]*)"', opened(path, tmp_path, *options))
    seen = json.loads(unescape(found[1]))
    assert (seen["width"], seen["cut"]) == (width, [])
    assert seen["page"] <= width
    assert (seen["back"], seen["chart"], seen["ink"]) == (back, back, ink)
    # Charts are drawn on white: in the dark they are inverted.
    assert ("invert" in seen["filter"]) == filtered
