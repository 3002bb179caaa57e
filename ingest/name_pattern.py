"""Names with named parts: `{run}/out_{step}.h5` for files, `step_{step}/rho` for arrays in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from ingest.name_numbers import STEP_NUMBER

# Parts that number or name the files of one run: its states, restart pieces, variables, tiles of its grid.
# All other parts name the run.
STEP, PIECE, VARIABLE, TILE = "step", "piece", "variable", "tile"
# The part of the name of an array that stands for the word of a split: u_{split}.
SPLIT_PART = "split"
# Pieces in folders of dates have several parts: {piece}/{piece2}/{piece3}.nc for 2020/01/31.nc.
PIECES = (PIECE, "piece2", "piece3", "piece4")
OF_ONE_RUN = (STEP, *PIECES, VARIABLE, TILE)

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Suffixes of files of data. Upper and lower case are the same in them, but not in names of arrays.
# docs/decisions/0186-suffixes-in-any-case.md
_SUFFIX = re.compile(r"\.(h5|hdf5?|nc4?|cdf|np[yz]|mat|zarr|zip|athdf|jld2)$", re.IGNORECASE)
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class NamePattern:
    """A pattern of names: `{step}` is a number, other parts any text, `*` and `?` as in file patterns.

    A part never contains a `/`; a part that occurs twice has the same text in both places.

    >>> NamePattern("{run}/out_{step}.h5").match("re_100/out_0020.h5")
    {'run': 're_100', 'step': '0020'}
    >>> NamePattern("out_{step}.h5").match("out_20.H5")
    {'step': '20'}
    """

    text: str

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts in order, each once."""
        return tuple(dict.fromkeys(_PART.findall(self.text)))

    @property
    def glob(self) -> str:
        """The pattern with a `*` for each part, for parts next to each other, and for a suffix in any case.

        >>> NamePattern("{case}{run}/out_{step}.h5").glob
        '*/out_*.*'
        """
        return re.sub(r"\*+", "*", _SUFFIX.sub(".*", _PART.sub("*", self.text)))

    @cached_property
    def told_apart(self) -> str:
        """The pattern with a named part in place of each `*`, so that each file that fits is told apart.

        >>> NamePattern("nu={nu}/*/out.h5").told_apart
        'nu={nu}/{run}/out.h5'
        """
        names = ("run" if number == 1 else f"run{number}" for number in count(1))
        unused = (name for name in names if name not in self.parts)
        return "".join(f"{{{next(unused)}}}" if letter in _WILDCARDS else letter for letter in self.text)

    @property
    def depth(self) -> int:
        """The number of folders in the pattern."""
        return self.text.count("/")

    def match(self, name: str) -> dict[str, str] | None:
        """The text of each part of a name; None if the name does not match."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else None

    def match_end(self, path: str) -> dict[str, str] | None:
        """The text of each part of a path below any folder; None if its end does not match.

        >>> NamePattern("{run}/out_{step}.h5").match_end("sweep/re_100/out_0020.h5")
        {'run': 're_100', 'step': '0020'}
        """
        return self.match("/".join(path.split("/")[-1 - self.depth :]))

    def matches(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The names that match, with their parts."""
        found = {name: self.match(name) for name in names}
        return {name: parts for name, parts in found.items() if parts is not None}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """The same as a regular expression with a group per part."""
        pieces: list[str] = []
        seen: set[str] = set()
        for number, piece in enumerate(_PART.split(self.text)):
            # Text and names of parts alternate.
            if number % 2 == 0:
                pieces += [_WILDCARDS.get(letter, re.escape(letter)) for letter in piece]
            elif piece in seen:
                pieces.append(f"(?P={piece})")
            else:
                pieces.append(f"(?P<{piece}>{STEP_NUMBER if piece == STEP else '[^/]+?'})")
                seen.add(piece)
        suffix = _SUFFIX.search(self.text)
        if suffix is not None:
            plain = re.escape(suffix[0])
            pieces = ["".join(pieces).removesuffix(plain), f"(?i:{plain})"]
        return re.compile("".join(pieces))


def with_plain_suffix(name: str) -> str:
    """A name of a file with its suffix in lower case, if it is one of files of data.

    >>> with_plain_suffix("RUN2.H5"), with_plain_suffix("Re100.T001")
    ('RUN2.h5', 'Re100.T001')
    """
    return _SUFFIX.sub(lambda found: found[0].lower(), name)


def is_part(text: str) -> bool:
    """Whether a text is one named part and nothing else.

    >>> is_part("{Re}"), is_part("Re{Re}")
    (True, False)
    """
    return _PART.fullmatch(text) is not None


def names_parts(text: str) -> bool:
    """Whether a pattern has named parts.

    >>> names_parts("out_*.h5"), names_parts("out_{step}.h5")
    (False, True)
    """
    return _PART.search(text) is not None


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A text with the text of each part in its braces.

    >>> filled("run_{run}.json", {"run": "03"})
    'run_03.json'
    """
    return _PART.sub(lambda found: parts.get(found[1], found[0]), text)
