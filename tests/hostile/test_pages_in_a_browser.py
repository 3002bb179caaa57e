"""Reports with hostile names, opened in a real browser: nothing of a name runs, and nothing is fetched."""

from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from shards.drawing.html_page import escaped_words, figure, heading, page, table, text_row
from tests.browser import NEEDS_BROWSER, opened

MARK = "document.documentElement.setAttribute('data-owned', 1)"
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000"
    "0500017a5eabd80000000049454e44ae426082"
)
# Each begins another way to make a browser act; {mark} is a script, {url} a server that counts.
CORPUS = (
    "<script>{mark}</script>",
    "</title></style><script>{mark}</script>",
    '"\'><img src=x onerror="{mark}">',
    '" onmouseover="{mark}" autofocus onfocus="{mark}',
    "<svg onload={mark}><script>{mark}</script></svg>",
    "<iframe srcdoc='<script>parent.{mark}</script>'></iframe>",
    "<img src={url}/img><link rel=stylesheet href={url}/css><script src={url}/js></script>",
    "<style>@import '{url}/import'; body {{ background: url({url}/background) }}</style>",
    "<meta http-equiv=refresh content='0;url={url}/refresh'>",
    "<base href='{url}/'><form action='{url}/form'><input autofocus></form>",
    "<object data={url}/object></object><embed src={url}/embed>",
    "javascript:{mark}",
    "--><!-- ]]><![CDATA[ <script>{mark}</script>",
    "+ADw-script+AD4-{mark}+ADw-/script+AD4-",
    "&lt;script&gt;{mark}&lt;/script&gt;",
)

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]


class Counting(BaseHTTPRequestHandler):
    def __init__(self, asked, *arguments):
        self.asked = asked
        super().__init__(*arguments)

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A server, and the paths that it was asked for."""
    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, asked)) as made:
        thread = Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", asked
        made.shutdown()
        thread.join()


def test_nothing_of_a_hostile_name_runs_or_is_fetched(server, tmp_path):
    url, asked = server
    names = [each.format(mark=MARK, url=url) for each in CORPUS]
    path = tmp_path / "report.html"
    # These would act, which shows that the browser can.
    path.write_text("<!doctype html><html><body>" + "".join(names[2:8]))
    assert "data-owned" in opened(path, tmp_path)
    assert "/img" in asked
    asked.clear()

    rows = [text_row(name, name) for name in names]
    pictures = "".join(figure(DOT, escaped_words(name)) for name in names)
    body = heading(names[0], [(name, name) for name in names]) + table(names, [rows]) + pictures
    # Even what was escaped nowhere may not act: the policy of the page forbids it.
    for text in (body, body + "".join(names[:8])):
        path.write_text(page(names[1], text), encoding="utf-8")
        seen = opened(path, tmp_path)
        assert "<main>" in seen
        assert 'data-owned="1"' not in seen
        assert asked == []
