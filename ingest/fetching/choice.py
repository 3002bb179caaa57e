"""Chooses among the published files by pattern, split and size."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import chain, zip_longest
from pathlib import PurePosixPath

from ingest.fetching.published import Publication
from ingest.remote.listing import RemoteFile
from shards.counted import counted
from shards.errors import SettingsError
from shards.program.byte_size import size_in_words
from shards.schema import Split


def choose_files(
    files: Sequence[RemoteFile],
    publication: Publication,
    pattern: str | None = None,
    split: Split | None = None,
    most_bytes: int | None = None,
) -> tuple[RemoteFile, ...]:
    """The files of a dataset that match `pattern`, are of `split`, and fit into `most_bytes` together.

    Companions of the chosen files are added. With `most_bytes` the splits take turns, so that a small part of
    a dataset has some files of each. Raises SettingsError if no file is left.
    """
    of_dataset = [each for each in files if _matches(each.path, publication.files)]
    if not of_dataset:
        raise SettingsError(f"no file there matches {', '.join(publication.files)}; name another --from")
    chosen = [
        each
        for each in of_dataset
        if (pattern is None or _matches(each.path, (pattern, f"*/{pattern}")))
        and (split is None or each.split == split)
    ]
    if not chosen:
        asked = f"--files {pattern}" if pattern is not None else f"--split {split}"
        example = of_dataset[0].path
        raise SettingsError(f"none of {counted(len(of_dataset), 'file')} matches {asked}; one is {example}")
    if most_bytes is not None:
        chosen = _within(chosen, most_bytes)
    return tuple(chain(chosen, _companions(files, publication, chosen)))


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _within(files: Sequence[RemoteFile], most_bytes: int) -> list[RemoteFile]:
    """Files of at most `most_bytes` together, one of each split in turn; files too large are skipped."""
    unknown = [each.path for each in files if each.size is None]
    if unknown:
        raise SettingsError(f"the server does not state how large {unknown[0]} is; choose by --files")
    splits = list(dict.fromkeys(each.split for each in files))
    rows = [[each for each in files if each.split == split] for split in splits]
    taken: list[RemoteFile] = []
    left = most_bytes
    for each in filter(None, chain.from_iterable(zip_longest(*rows))):
        if each.size is not None and each.size <= left:
            taken.append(each)
            left -= each.size
    if not taken:
        smallest = min(each.size or 0 for each in files)
        raise SettingsError(
            f"no file fits into --gigabytes; the smallest has {size_in_words(smallest)}; allow more"
        )
    return taken


def _companions(
    files: Sequence[RemoteFile], publication: Publication, chosen: Sequence[RemoteFile]
) -> list[RemoteFile]:
    """The files in the folders of the chosen files that are read together with them."""
    folders = {PurePosixPath(each.path).parent for each in chosen}
    return [
        each
        for each in files
        if PurePosixPath(each.path).parent in folders
        and _matches(PurePosixPath(each.path).name, publication.companions)
        and each not in chosen
    ]
