"""Reads published.toml: the addresses at which the systems of the catalogue publish their files.

The reasons are in docs/decisions/0100-fetching.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from itertools import product
from pathlib import Path

from shards.errors import SettingsError
from shards.program.settings import make, read_toml
from shards.schema import NotNegative, checked


@checked
class ListedFile:
    """A file of a server that lists no files: its path, and its `place` below the address if that differs.

    Braces in `path` name several files: `data/{train,test}/a.hdf5`.
    """

    path: str
    place: str = ""
    md5: str = ""


@checked
class Publication:
    """The files of one dataset: an address, and which files below it.

    `url` is `hf://datasets/OWNER/NAME`, a folder of the Hugging Face hub, or a folder behind http(s). A file
    is taken if its path matches one of `files`; files of the same folder that match `companions` come with
    it. `gigabytes` is the approximate size, from the publisher or from the shapes of the arrays.
    """

    url: str
    files: tuple[str, ...] = ("*",)
    companions: tuple[str, ...] = ()
    listed: tuple[ListedFile, ...] = ()
    gigabytes: NotNegative | None = None
    licence: str = ""
    note: str = ""

    def at(self, url: str) -> Publication:
        """The same files at another address, a mirror, which has them by their paths."""
        listed = tuple(replace(each, place="") for each in self.listed)
        return replace(self, url=url.rstrip("/"), listed=listed)


def publications() -> dict[str, Publication]:
    """Dataset to publication, for each system of the catalogue."""
    path = Path(str(resources.files("ingest") / "fetching" / "published.toml"))
    return {name: make(Publication, table, f"{path}, {name}") for name, table in read_toml(path).items()}


def expanded(path: str) -> Iterator[str]:
    """The paths that braces stand for.

    >>> list(expanded("data/{train,test}/run_{1,2}.hdf5"))[:3]
    ['data/train/run_1.hdf5', 'data/train/run_2.hdf5', 'data/test/run_1.hdf5']
    """
    pieces = [piece.split(",") for piece in re.split(r"\{([^{}]*)\}", path)]
    # Every other piece is outside braces; a comma in it separates nothing.
    pieces[::2] = [[",".join(piece)] for piece in pieces[::2]]
    yield from ("".join(parts) for parts in product(*pieces))


def publication_of(name: str, url: str | None = None) -> Publication:
    """The publication of a dataset; with `url`, the same files at that address.

    Raises SettingsError if no address is known.
    """
    known = publications().get(name)
    if known is None and url is None:
        raise SettingsError(f"the catalogue has no address for {name}; give one with --from")
    found = known or Publication("")
    return found if url is None else found.at(url)
