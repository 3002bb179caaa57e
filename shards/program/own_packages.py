"""Detects another package with the name of one of ours: PyPI has a `walrus`, and so has the paper's code.

pip writes both into one folder, and the second one silently overwrites the first.
"""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import shards
from shards.errors import MismatchError

OURS = ("ingest", "walrus", "pipelines")
MARK = 'DISTRIBUTION = "walrus-pde"'


def require_own_packages(names: tuple[str, ...] = OURS) -> None:
    """Raises MismatchError if a package with one of these names is not ours; imports none of them."""
    home = Path(shards.__file__).resolve().parent.parent
    for name in names:
        spec = find_spec(name)
        place = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if place is None or place.parent.parent != home or MARK not in place.read_text(encoding="utf-8"):
            raise MismatchError(
                f"{place or name}: the package {name} belongs to {_owners(name)}, not to walrus-pde; install "
                "walrus-pde in an environment of its own: python -m venv ENV; ENV/bin/pip install walrus-pde"
            )


def _owners(name: str) -> str:
    """The other distributions that installed a package with this name."""
    owners = set(metadata.packages_distributions().get(name, ())) - {"walrus-pde"}
    return " and ".join(sorted(owners)) or "another distribution"
