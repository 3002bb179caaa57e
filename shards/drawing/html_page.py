"""The HTML page of every report: one file that contains its style and pictures, and needs no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from shards.checksum import with_comment
from shards.drawing.colours import BLUE, INK, PALE

# On a phone, pictures wider than this (CSS pixels) scroll sideways, others shrink.
_PHONE = 760


def page(title: str, body: str, script: str = "", refresh: int = 0) -> str:
    """The text of the file; `body` is HTML, `title` is plain text.

    Browsers load nothing else, run only `script` (identified by its hash), and reload the file every
    `refresh` seconds (0: never).
    """
    runs, policy = "", ""
    again = f'<meta http-equiv="refresh" content="{refresh}">\n' if refresh else ""
    if script:
        digest = base64.b64encode(sha256(script.encode()).digest()).decode()
        runs, policy = f"<script>{script}</script>", f"; script-src 'sha256-{digest}'"

    content = _PAGE.format(
        title=escape(title),
        style=_LIGHT + _REST + _VIEWER,
        policy=policy,
        again=again,
        body=body,
        script=runs,
    )
    return with_comment(content.encode()).decode()


def heading(title: str, facts: Sequence[tuple[str, str]]) -> str:
    """The HTML of the title and of facts (name, value) below it, all plain text."""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"<header><h1>{escape(title)}</h1><dl>{lines}</dl></header>"


def chart(picture: bytes, words: str) -> str:
    """The HTML of a picture of curves; on a dark page its lightness is inverted and its hues stay."""
    return figure(picture, words, "chart")


def clear_figure(picture: bytes, words: str) -> str:
    """A picture without a background, in an ink that is read on white and on dark pages."""
    return figure(picture, words, "clear")


def figure(picture: bytes, words: str, style: str = "") -> str:
    """The HTML of a picture, with the escaped `words` that describe it; a PNG has 2 dots per CSS pixel.

    `style` is a class of the style sheet: see `chart` and `clear_figure`.
    """
    if picture.startswith(b"GIF"):
        kind, width = "gif", int.from_bytes(picture[6:8], "little")
    else:
        kind, width = "png", int.from_bytes(picture[16:20], "big") // 2
    data = base64.b64encode(picture).decode("ascii")
    classes = f"{style} {'wide' if width > _PHONE else 'small'}".strip()
    source = f"data:image/{kind};base64,{data}"
    return f'<figure><img class="{classes}" src="{source}" width="{width}" alt="{words}"></figure>'


def table(columns: Sequence[str], groups: Sequence[Sequence[str]], kind: str = "") -> str:
    """The HTML of a table: names of columns (plain text), then groups of rows (HTML), each in a body.

    `kind` is a style: in `prose`, cells are aligned left and lines may break; `numbers` has no lines between
    rows.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    bodies = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in groups)
    return f'<div class="table"><table class="{kind}"><thead><tr>{head}</tr></thead>{bodies}</table></div>'


def text_row(name: str, *values: str) -> str:
    """The HTML of a row; its name and values are plain text.

    >>> text_row("p < 1", "3")
    '<tr><th scope="row">p &lt; 1</th><td>3</td></tr>'
    """
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def escaped_words(name: str) -> str:
    """A name as it is written in pages, escaped.

    >>> escaped_words("velocity_x")
    'velocity x'
    """
    return escape(name.replace("_", " "))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'{policy};
  base-uri 'none'; form-action 'none'">
{again}<title>{title}</title><style>{style}</style></head>
<body><main>
{body}
</main>{script}</body></html>
"""

_LIGHT = f"""
:root {{ --ink: {INK}; --grey: #656d76; --line: {PALE}; --back: #fff; --mark: {BLUE};
  --tint: #eaf2fb }}"""
_REST = """
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --grey: #9198a1; --line: #30363d; --back: #0d1117; --mark: #6cb2ff;
    --tint: #12263c }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1010px; margin: 0 auto; padding: 40px 20px 80px }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 20px; overflow-wrap: anywhere }
h2 { font-size: 21px; margin: 56px 0 6px }
h3 { font-size: 16px; margin: 34px 0 0 }
p, li { max-width: 46em; overflow-wrap: anywhere }
dl { display: flex; flex-wrap: wrap; gap: 12px 36px; margin: 0; padding: 14px 0;
  border-block: 1px solid var(--line) }
dt { font-size: 13px; color: var(--grey) }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.lead { font-size: 18px; margin: 22px 0 8px }
a { color: var(--mark); text-decoration: none }
a:hover { text-decoration: underline }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 15px; margin-bottom: 24px }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: 15px; font-variant-numeric: tabular-nums }
th, td { padding: 5px 14px; text-align: right; white-space: nowrap; font-weight: 400 }
thead th { font-size: 13px; color: var(--grey); border-bottom: 1px solid var(--ink) }
th:first-child { padding-left: 0; text-align: left }
tbody th { font-weight: 600; vertical-align: top; white-space: normal }
tbody td:not(.best), th small { color: var(--grey) }
th small { display: block; font-size: 13px; font-weight: 400 }
tbody tr:last-child > *, tbody tr:first-child > th { border-bottom: 1px solid var(--line) }
td.best { color: var(--mark); background: var(--tint); font-weight: 650 }
.numbers tbody tr:not(:last-child) > th, .prose tbody tr:not(:last-child) > th { border-bottom: 0 }
.prose th, .prose td { text-align: left }
.prose tbody th, .prose td { white-space: normal; overflow-wrap: anywhere; vertical-align: top }
.prose tbody th { font-weight: 400; min-width: 8em }
figure { margin: 18px 0; padding: 12px; background: #fff; border: 1px solid var(--line); border-radius: 8px;
  overflow-x: auto }
img { display: block; max-width: 100%; height: auto }
@media (prefers-color-scheme: dark) {
  figure:has(img.chart) { background: var(--back) }
  /* The lighter of both: white, inverted, is darker than the page. */
  img.chart { filter: invert(.95) hue-rotate(180deg); mix-blend-mode: lighten }
  figure:has(img.clear) { background: none }
}
summary { cursor: pointer; color: var(--mark); margin: 6px 0 14px }
li { margin-bottom: 8px }
ul { padding-left: 20px }
@media (max-width: 600px) {
  main { padding: 24px 14px 60px }
  h1 { font-size: 24px }
  figure { padding: 6px; margin-inline: -6px }
  img.wide { max-width: none; width: 680px }
  figure:has(img.wide)::before { content: "scroll sideways →"; position: sticky; left: 0;
    font-size: 12px; color: var(--grey) }
  table { font-size: 12px }
  th, td { padding: 5px 4px; white-space: normal }
  thead th { font-size: 12px }
  .names tbody th { min-width: 6em; overflow-wrap: anywhere }
  th:first-child { position: sticky; left: 0; background: var(--back) }
  .numbers td { white-space: nowrap }
}
"""
_VIEWER = """
.viewer { margin: 18px 0; padding: 14px; border: 1px solid var(--line); border-radius: 8px }
.controls { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; margin-bottom: 10px }
.choice { display: flex; gap: 8px; align-items: center; max-width: 100%; font-size: 13px; color: var(--grey) }
.controls select, .controls button { font: inherit; font-size: 15px; color: var(--ink);
  background: var(--back); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px;
  min-height: 34px; min-width: 0 }
.controls button { min-width: 38px; cursor: pointer }
.controls button:first-child { min-width: 72px }
.controls input { flex: 1 1 120px; min-width: 80px; accent-color: var(--mark) }
.controls [hidden], .controls[hidden] { display: none }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px }
.step-text { font-size: 14px; color: var(--grey); margin: 0 0 10px; min-height: 1.55em;
  font-variant-numeric: tabular-nums }
.pictures { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fit, minmax(min(var(--least, 240px), 100%), 1fr)) }
.picture { margin: 0; padding: 0; border: 0; background: none; overflow: visible; min-width: 0;
  container-type: inline-size }
@container (max-width: 130px) { .labels i { display: none } }
.labels i { font-style: normal }
.picture canvas { display: block; width: 100%; image-rendering: pixelated }
.picture figcaption { font-size: 14px; margin-bottom: 4px }
.axes { display: flex; flex-wrap: wrap; column-gap: 12px; font-size: 12px; color: var(--grey);
  margin: 5px 0 8px }
.bar { display: flex; align-items: center }
.bar canvas { flex: 1; height: 10px; width: auto; min-width: 0 }
.bar span { border: 5px solid transparent; border-inline-width: 8px }
.bar .under { border-left-width: 0 }
.bar .over { border-right-width: 0 }
.labels { display: flex; justify-content: space-between; gap: 6px; padding: 2px 0; white-space: nowrap;
  font-size: 12px; color: var(--grey); font-variant-numeric: tabular-nums }
""" + "".join(
    f".{side}-wall {{ border-{side}: 3px solid var(--ink) }}\n"
    f".{side}-open {{ border-{side}: 2px dotted var(--ink) }}\n"
    f".{side}-periodic {{ border-{side}: 1px solid var(--ink) }}\n"
    for side in ("left", "right", "top", "bottom")
)
