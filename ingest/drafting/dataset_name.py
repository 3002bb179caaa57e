"""Names a dataset after the system, not after the number of a run."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.contents.plain_letters import plain_letters
from ingest.formats.zarr_marker import MARKERS

# Usual words in file names that do not name the system.
_PLAIN = (
    "run runs sim simulation traj trajectory sample seed case out output outputs data dataset snap "
    "snapshot snapshots state states field fields file result results solution plt cnt chk his rst "
    "restart frame frames dump step prim slices train valid test file files"
)
PLAIN = frozenset(_PLAIN.split())
# The name of a folder that is a label, M14_N or B3; x1 and t0010 number what is in them.
_LABEL = re.compile(r"[A-Z]\d+[A-Za-z]?([-_.][A-Za-z0-9_.-]*)?")
_NUMBER = re.compile(r"[-_.](?<!\d\.)\d+$")


def dataset_name(path: Path) -> str:
    """A name from the file name without run numbers, or from the folder if that leaves no word.

    A single letter is no word; with a number it names a given folder, such as M14_N.

    >>> dataset_name(Path("channel/run_000.h5")), dataset_name(Path("Ma_0.7.h5")), dataset_name(Path("/-.h5"))
    ('channel', 'Ma_0.7', 'own')
    >>> dataset_name(Path("Wälle 1.h5"))
    'Walle'
    """
    if path.name in MARKERS:
        path = path.parent
    if path.is_dir() and _LABEL.fullmatch(path.name):
        return path.name
    for place in (path, path.parent, path.parent.parent):
        name = re.sub(r"(\.zarr)?\.[A-Za-z][A-Za-z0-9]*$", "", place.name)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain_letters(name)).strip("_.-")
        before = ""
        while name != before:
            before, name = name, _NUMBER.sub("", name).strip("_.-")
        words = [word for word in re.split(r"[-_.]|\d+", name.lower()) if len(word) > 1]
        if words and not PLAIN.issuperset(words):
            return name
    return "own"
