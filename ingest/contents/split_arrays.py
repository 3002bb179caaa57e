"""Finds the arrays of a field in several splits, by names: `u_train` and `u_test`, or `u` and `u_test`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from ingest.contents.listing import ArrayInfo
from ingest.name_pattern import SPLIT_PART
from shards.errors import SourceError
from shards.program.console import printable
from shards.schema import SPLITS, Split, split_called

# Short words that mean a split only in names of arrays.
_SHORT: dict[str, Split] = {"tr": "train", "te": "test", "ts": "test", "va": "valid", "vl": "valid"}
# The parts of a name: letters between signs, and within them words that begin with a capital.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
# A name and a split without a sign between them: xtrain, ytest.
_ATTACHED = re.compile(r"(?<=[A-Za-z])(train|test|valid|val)$")
HOLE = f"{{{SPLIT_PART}}}"


@dataclass(frozen=True)
class ArraysBySplit:
    """The arrays of a file, those of several splits once, and the word of each split in their names."""

    listed: tuple[ArrayInfo, ...]
    words: dict[Split, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Member:
    """An array of one split: the word that says so, and its path with a hole for the word."""

    split: Split
    word: str
    pattern: str
    path: str


def arrays_by_split(listed: tuple[ArrayInfo, ...], where: str) -> ArraysBySplit:
    """The arrays, with `{split}` in the names of those that are in several splits; the first one is kept.

    Raises SourceError if the words of splits differ between arrays, so that no single rule names them.
    """
    # As a recipe names them: arrays of several runs have a * for the group of the run.
    paths = {each.stored: each for each in listed}
    complete = _with_all_splits(paths)
    members = list(chain.from_iterable(found.values() for found in complete))
    if not any(len(paths[each.path].values) > 1 for each in members):
        # Lists of numbers of runs, or of losses, are not fields.
        _require_no_groups_of_splits(paths, where)
        return ArraysBySplit(listed)

    words, *others = map(_words, complete)
    if any(other != words for other in others) or any(paths[each.path].pattern for each in members):
        names = printable(", ".join(sorted(each.path for each in members)[:6]))
        raise SourceError(
            f"{where}: {names} are arrays of splits, and no rule names them all; expected each "
            "array once per split; save each split to a file in a folder called by it"
        )
    by_train = {found["train"].path: found for found in complete}
    of_splits = {each.path for each in members}
    kept = []
    for each in listed:
        if each.stored in by_train:
            kept.append(_of_splits(each, by_train[each.stored], paths))
        elif each.stored not in of_splits:
            kept.append(each)
    return ArraysBySplit(tuple(kept), {split: words[split] for split in SPLITS if split in words})


def _with_all_splits(paths: dict[str, ArrayInfo]) -> list[dict[Split, _Member]]:
    """The arrays, by split, of each pattern that has an array to train and one of another split."""
    by_pattern: dict[str, dict[Split, _Member]] = {}
    for path in paths:
        for member in _members(path):
            by_pattern.setdefault(member.pattern, {}).setdefault(member.split, member)
    named = [found for found in by_pattern.values() if "train" in found and len(found) > 1]
    bare = [_with_bare(found, paths) for found in by_pattern.values()]
    return [*named, *filter(None, bare)]


def _require_no_groups_of_splits(paths: Iterable[str], where: str) -> None:
    """Raises SourceError if groups are called by splits but differ in their arrays: they would be mixed."""
    parts = chain.from_iterable(path.split("/")[:-1] for path in paths)
    groups = {part for part in parts if split_called(part)}
    if len({split_called(group) for group in groups}) > 1:
        raise SourceError(
            f"{where}: its groups {', '.join(sorted(groups))} are splits with different arrays; expected the "
            "same arrays in each; save each split to a file in a folder called by it"
        )


def _words(found: dict[Split, _Member]) -> dict[Split, str]:
    """The word of each split in the names of its arrays."""
    return {split: each.word for split, each in found.items()}


def _of_splits(each: ArrayInfo, found: dict[Split, _Member], paths: dict[str, ArrayInfo]) -> ArrayInfo:
    """An array that stands for those of all splits; as they differ in their first length, it counts runs."""
    firsts = {paths[member.path].lengths[:1] for member in found.values()}
    return replace(each, split_pattern=found["train"].pattern, has_runs_first=len(firsts) > 1)


def _members(path: str) -> Iterator[_Member]:
    """The splits that words of a path state.

    >>> [(each.split, each.word, each.pattern) for each in _members("uTest")]
    [('test', 'Test', 'u{split}')]
    """
    found = {each.span(): each for each in (*_WORD.finditer(path), *_ATTACHED.finditer(path))}
    for word in found.values():
        split = split_called(word[0]) or _SHORT.get(word[0].lower())
        if split is not None:
            yield _Member(split, word[0], f"{path[: word.start()]}{HOLE}{path[word.end() :]}", path)


def _with_bare(found: dict[Split, _Member], paths: dict[str, ArrayInfo]) -> dict[Split, _Member]:
    """The members of a pattern with the array that has no word for a split and so trains: u next to u_test.

    Empty if there is none: it must be as long along all axes but the first.
    """
    if "train" in found or any(each.word.lower() in _SHORT for each in found.values()):
        return {}
    before, _, after = next(iter(found.values())).pattern.partition(HOLE)
    sign = before[-1:] if before[-1:] in ("_", "-") else ""
    behind = after[:1] if after[:1] in ("_", "-") and not sign else ""
    before, after = before.removesuffix(sign), after.removeprefix(behind)
    bare = paths.get(f"{before}{after}")
    if bare is None:
        return {}
    own = [paths[each.path] for each in found.values()]
    if any(each.lengths[1:] != bare.lengths[1:] or each.dtype != bare.dtype for each in own):
        return {}
    pattern = f"{before}{HOLE}{after}"
    members: dict[Split, _Member] = {"train": _Member("train", "", pattern, bare.path)}
    for split, each in found.items():
        members[split] = _Member(split, f"{sign}{each.word}{behind}", pattern, each.path)
    return members
