"""The result of a command, in the two forms in which it can be printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandOutput:
    """`document` is for --json, `text` for people."""

    document: dict[str, Any]
    text: str
