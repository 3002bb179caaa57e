"""What a build did, in one line for a person."""

from __future__ import annotations

from ingest.building.build import Built, BuiltShare
from shards.card import Card


def built_line(built: Built) -> str:
    return f"{built.folder}: {counts(built.card)}; {_did(built.written_parts, built.written_bytes)}"


def share_line(built: BuiltShare, part: str) -> str:
    parts = built.written_parts + built.reused_parts
    did = _did(built.written_parts, built.written_bytes)
    return f"{built.folder}: share {part}, {parts} parts; {did}; when all shares are done: walrus-ingest finish"


def counts(card: Card) -> str:
    found = ", ".join(f"{count.trajectories} {split}" for split, count in card.counts.items())
    return f"{found} trajectories" + (f", {len(card.quarantine)} left out" if card.quarantine else "")


def _did(written_parts: int, written_bytes: int) -> str:
    return "nothing to do" if written_parts == 0 else f"{written_bytes / 2**20:.1f} MiB written"
