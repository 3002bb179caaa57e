"""What differs between files of one family: runs, variables, moments, and tiles of a grid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ingest.formats.open_any import located, open_arrays
from ingest.inspecting.file_names import NamedFile
from ingest.inspecting.file_times import kind_of_numbered
from ingest.inspecting.folder_contents import FolderContents, Kind
from ingest.inspecting.variable_files import FIELD_NAME, are_variables, doubt_of_words
from ingest.name_pattern import PIECE, STEP, TILE, VARIABLE
from shards.errors import SourceError

# Attributes of a file that holds a tile and says where that is (Cholla).
OFFSET_ATTRIBUTES = {"dims", "dims_local", "offset"}
# How files of one grid are marked: MITgcm, FV3, NEMO.
TILE_ATTRIBUTES = {"tile_number", "grid_tile", "DOMAIN_number"}
TILE_NAME = re.compile(r"(tile|subdomain)[-_.]?$", re.IGNORECASE)
LAST_NUMBER: dict[Kind, str] = {"states": STEP, "pieces": PIECE, "variables": "run", "runs": "run"}


@dataclass(frozen=True)
class Arrangement:
    """Files of one family, in order; what differs between them names runs, variables and moments."""

    files: list[NamedFile]

    @cached_property
    def varying(self) -> list[int]:
        """The pieces of the path that differ."""
        places = range(len(self.files[0].pieces))
        return [at for at in places if len({file.text(at) for file in self.files}) > 1]

    @property
    def last_number(self) -> int | None:
        """The last number that differs, but that of a tile."""
        numbers = (at for at in self.varying if self._is(at, "number") and at != self.tile)
        return max(numbers, default=None)

    @cached_property
    def tile(self) -> int | None:
        """The last number, where files are tiles of a grid that say where they are."""
        numbers = [at for at, piece in enumerate(self.files[0].pieces) if piece.kind == "number"]
        if not numbers or not self.varying:
            return None
        with open_arrays(located(self.files[0].path)) as arrays:
            return numbers[-1] if set(arrays.attributes("")) >= OFFSET_ATTRIBUTES else None

    @property
    def _folders(self) -> list[int]:
        return [at for at, piece in enumerate(self.files[0].pieces) if piece.kind == "folder"]

    def _is(self, at: int, kind: str) -> bool:
        return self.files[0].pieces[at].kind == kind

    @cached_property
    def variable(self) -> int | None:
        """The piece that names variables: a word, or a folder that is called by a field."""
        for at in self.varying:
            words = sorted({file.text(at) for file in self.files})
            fields = self._is(at, "folder") and all(FIELD_NAME.fullmatch(word) for word in words)
            if (self._is(at, "word") or fields) and are_variables(self._firsts(at), words):
                return at
        return None

    def _firsts(self, at: int) -> list[Path]:
        """A file for each text of a piece."""
        firsts: dict[str, Path] = {}
        for file in sorted(self.files, key=lambda file: file.text(at)):
            firsts.setdefault(file.text(at), file.path)
        return list(firsts.values())

    def contents(self) -> FolderContents:
        """The pattern, and how many runs, variables and moments there are."""
        apart = [at for at in self._naming if at != self.last_number]
        largest = max(self._grouped(apart).values(), key=len)
        tiles = 1
        if self.tile is not None:
            texts = {file.text(self.tile) for file in largest}
            tiles, largest = len(texts), [file for file in largest if file.text(self.tile) == min(texts)]
        variables = self._by_variable(largest)
        one = max(variables.values(), key=len)
        kind = self._kind(one, len(variables))
        if kind in ("runs", "variables"):
            apart = self._naming
            variables = self._by_variable(max(self._grouped(apart).values(), key=len))
        count = len(self._grouped(apart))
        members = tuple(files[0].path for files in variables.values()) if len(variables) > 1 else ()
        return FolderContents(
            kind,
            self._pattern(kind, apart),
            members[0] if members else one[0].path,
            len(self.files),
            count,
            members=members,
            variables=tuple(variables) if members else (),
            last=one[-1].path if kind in ("states", "pieces") else None,
            tiles=tiles,
            series=self._moments(largest, len(variables)) if kind == "states" else (),
            parameters=tuple((each.name, each.text) for each in self.files[0].pieces if each.name),
            doubt=self._doubt(),
        )

    @property
    def _naming(self) -> list[int]:
        """The pieces that differ and name neither a variable nor a tile: runs, or moments by the last number.

        A folder that is called by that number, 10/10.h5.0, names what it names.
        """
        pieces = [at for at in self.varying if at not in (self.variable, self.tile)]
        return [at for at in pieces if not self._repeats_number(at) and self._first_like(at) == at]

    def _repeats_number(self, at: int) -> bool:
        last = self.last_number
        same = last is not None and all(file.text(at) == file.text(last) for file in self.files)
        return at != last and same

    def _first_like(self, at: int) -> int:
        """The first piece that has the same text in every file: of alpha/density_alpha.nc the folder."""
        same = (one for one in self.varying if all(file.text(one) == file.text(at) for file in self.files))
        return at if at == self.last_number else min(same)

    def _grouped(self, pieces: Sequence[int]) -> dict[tuple[str, ...], list[NamedFile]]:
        """The files by these pieces of their paths."""
        found: dict[tuple[str, ...], list[NamedFile]] = {}
        for file in self.files:
            found.setdefault(file.texts(pieces), []).append(file)
        return found

    def _by_variable(self, files: list[NamedFile]) -> dict[str, list[NamedFile]]:
        found: dict[str, list[NamedFile]] = {}
        for file in files:
            found.setdefault(file.text(self.variable) if self.variable is not None else "", []).append(file)
        return found

    def _kind(self, files: list[NamedFile], variables: int) -> Kind:
        """What the files are that differ in the last number alone."""
        found: Kind = "runs"
        if self.last_number is not None and len(files) > 1:
            _refuse_tiles(files, self.last_number)
            found = kind_of_numbered([file.path for file in files[:2]], self._are_times(self.last_number))
        return "variables" if found == "runs" and variables > 1 else found

    def _are_times(self, at: int) -> bool:
        """Whether a number names folders and has a fraction: 0.3/fields.h5 is a state, runs are counted."""
        in_folder = any(piece.text == "/" for piece in self.files[0].pieces[at:])
        return in_folder and any("." in file.text(at) for file in self.files)

    def _pattern(self, kind: Kind, apart: list[int]) -> str:
        """The names of all files, with a named part, or a *, for each piece that differs."""
        if not self.varying and not any(piece.name for piece in self.files[0].pieces):
            return f"{'*/' * len(self._folders)}*{self.files[0].path.suffix}"
        parts: dict[int, str] = {}
        for number, at in enumerate(apart):
            parts[at] = "*" if kind == "runs" else f"{{run{number + 1 if number else ''}}}"
        if self.variable is not None:
            parts[self.variable] = f"{{{VARIABLE}}}"
        if self.last_number is not None and self.last_number not in parts:
            hole = f"{{{LAST_NUMBER[kind]}}}"
            parts |= {at: hole for at in self.varying if at == self.last_number or self._repeats_number(at)}
        if self.tile is not None:
            parts[self.tile] = f"{{{TILE}}}"
        parts |= {at: parts[self._first_like(at)] for at in self.varying if self._first_like(at) in parts}
        parts |= {at: f"{{{piece.name}}}" for at, piece in enumerate(self.files[0].pieces) if piece.name}
        return "".join(parts.get(at, piece.text) for at, piece in enumerate(self.files[0].pieces))

    def _moments(self, files: list[NamedFile], variables: int) -> tuple[tuple[Path, ...], ...]:
        """The files of each moment, one for each variable; moments that lack one are left out."""
        assert self.last_number is not None
        moments: dict[str, list[Path]] = {}
        for file in files:
            moments.setdefault(file.text(self.last_number), []).append(file.path)
        return tuple(tuple(paths) for paths in moments.values() if len(paths) == variables)

    def _doubt(self) -> str:
        """What a person must look at: words that were taken for variables, or for runs, by what they are."""
        for at in self.varying:
            if at == self.variable or self._is(at, "word"):
                words = sorted({file.text(at) for file in self.files})
                return doubt_of_words(self._firsts(at), words, at == self.variable)
        return ""


def _refuse_tiles(files: list[NamedFile], number: int) -> None:
    """Raises SourceError where numbered files are tiles of one grid: a model would learn their edges."""
    first = files[0].path
    with open_arrays(located(first)) as arrays:
        marks = TILE_ATTRIBUTES & set(arrays.attributes(""))
    if marks or TILE_NAME.search(files[0].text(number - 1)):
        raise SourceError(
            f"{first.parent}: {first.name} and {len(files) - 1} more are tiles of one grid; expected "
            "the whole grid in a file; put them together first (mppnccombine, gluemncbig, xarray)"
        )
