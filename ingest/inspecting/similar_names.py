"""Finds the largest family of files with similar names, and the words in which its files differ.

See docs/decisions/0093-names-of-files.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from ingest.contents.axis_names import SPACE_NAME
from ingest.formats.natural_sort import natural
from ingest.inspecting.named_files import NamedFile, NamePart


def largest_family(files: Iterable[NamedFile]) -> list[NamedFile]:
    """The largest family of similar files, with families that differ from it in one word, in order."""
    families: dict[tuple[str, ...], list[NamedFile]] = {}
    for file in files:
        families.setdefault(file.family, []).append(file)
    # Of families of equal numbers, the larger files are rather the data: u.npz next to times.npy.
    chosen = max(families.values(), key=lambda held: (len(held), _bytes(held[0].path)))
    at, alike = _differing_in_a_word(chosen, families.values())
    if at is not None:
        chosen = _with_two_words(_with_a_word(alike, at), at + 1)
    return sorted(chosen, key=lambda file: natural(file.path.as_posix()))


def _bytes(path: Path) -> float:
    """The size of a file; a zarr store, which is a folder, counts as large."""
    return math.inf if path.is_dir() else path.stat().st_size


def _differing_in_a_word(
    chosen: list[NamedFile], families: Iterable[list[NamedFile]]
) -> tuple[int | None, list[list[NamedFile]]]:
    """Where most families differ from the chosen one in a text alone, and these families: with mostly the
    same numbers, and as many folders.
    """
    own = chosen[0].family
    found: dict[int, list[list[NamedFile]]] = {}
    for each in families:
        other = each[0].family
        differ = [at for at, (a, b) in enumerate(zip(own, other, strict=False)) if a != b]
        same_suffix = each[0].path.suffix.lower() == chosen[0].path.suffix.lower()
        if len(own) == len(other) and len(differ) == 1 and same_suffix and _are_as_many(chosen, each):
            found.setdefault(differ[0], []).append(each)
    at = max(found, key=lambda place: len(found[place]), default=None)
    return at, [chosen, *(found[at] if at is not None else [])]


def _are_as_many(first: list[NamedFile], second: list[NamedFile]) -> bool:
    """Whether most numbers of one family are in the other too; a few files may be missing."""
    common = len(_numbers(first) & _numbers(second))
    return 2 * common > max(len(_numbers(first)), len(_numbers(second)))


def _numbers(files: list[NamedFile]) -> set[tuple[str, ...]]:
    """The numbers in the name of each file."""
    places = [at for at, part in enumerate(files[0].parts) if part.kind == "number"]
    return {file.texts(places) for file in files}


def _with_a_word(families: Sequence[list[NamedFile]], at: int) -> list[NamedFile]:
    """The files of all families, with the word in which a text of their names differs as a part."""
    start, end = _common_ends([files[0].text(at) for files in families])
    found = []
    for file in chain.from_iterable(families):
        text = file.text(at)
        stop = len(text) - end
        word = NamePart("word", text[start:stop])
        found.append(file.divided(at, (NamePart("text", text[:start]), word, NamePart("text", text[stop:]))))
    return found


def _common_ends(texts: Sequence[str]) -> tuple[int, int]:
    """How many letters all texts have in common at the start and at the end, up to the bounds of words.

    Words that are axes alone, as in vel_x and vel_y, are no names: they take the word before.

    >>> _common_ends(["flow_rho_{}.npy", "flow_u_{}.npy"]), _common_ends(["vel_x.h5", "vel_y.h5"])
    ((5, 7), (0, 3))
    """
    start = _common_start(texts)
    # A letter counts once: what is behind the start is compared from the end.
    end = _common_start([text[start:][::-1] for text in texts])

    first = texts[0]
    while start and first[start - 1] not in "_-.}":
        start -= 1
    while end and first[len(first) - end] not in "_-.{":
        end -= 1

    words = [text[start : len(text) - end] for text in texts]
    if start and all(map(SPACE_NAME.fullmatch, words)) and "}" not in first[:start]:
        start = max(first.rfind(mark, 0, start - 1) for mark in "_-.") + 1
    return start, end


def _common_start(texts: Sequence[str]) -> int:
    letters = enumerate(zip(*texts, strict=False))
    return next((at for at, found in letters if len(set(found)) > 1), min(map(len, texts)))


def _with_two_words(files: list[NamedFile], at: int) -> list[NamedFile]:
    """The files with a word as two, if each beginning of it is there with each end: alfa_u, alfa_v, beta_u,
    beta_v.
    """
    found = [each for file in files if (each := re.fullmatch(r"(.+)([-_.])([^-_.]+)", file.text(at)))]
    begins, ends = {each[1] for each in found}, {each[3] for each in found}
    is_product = len(begins) * len(ends) == len({file.text(at) for file in files})
    if len(found) < len(files) or min(len(begins), len(ends)) < 2 or not is_product:
        return files
    return [
        file.divided(at, (NamePart("word", each[1]), NamePart("text", each[2]), NamePart("word", each[3])))
        for file, each in zip(files, found, strict=True)
    ]
