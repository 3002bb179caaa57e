"""Resumes a run from its last checkpoint, unless the run has changed; what may change is named.

The reasons are in docs/decisions/0019-what-a-run-may-change.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from shards.errors import MismatchError, SettingsError
from shards.program.side_task import SideTask
from walrus.training.early_stopping import BEST
from walrus.training.run_checkpoint import Identity, RunCheckpoint, fault_of, leave_identity, steps_of

CHECKPOINTS = "checkpoints"
# The parts of the identity of a run that --allow lets differ; not the model, whose weights would not fit.
PARTS = ("data", "plan", "schedule", "engine", "training")


def last_checkpoint(
    run: Path, identity: Identity, allowed: Collection[str]
) -> tuple[RunCheckpoint | None, list[str]]:
    """The checkpoint from which the run continues (None for a new run), and sentences on what has changed.

    Raises MismatchError if a part has changed that is not `allowed`, SettingsError for an unknown part.
    """
    unknown = sorted(set(allowed) - set(PARTS))
    if unknown:
        raise SettingsError(f"--allow {' '.join(unknown)}: expected {', '.join(PARTS)}")
    saved = RunCheckpoint.last(run / CHECKPOINTS)
    if saved is None:
        return None, []
    changes = dict(_changes(saved.checkpoint.identity, identity))
    refused = {part: text for part, text in changes.items() if part not in allowed}
    if refused:
        raise MismatchError(
            f"{run}: its checkpoint at step {saved.checkpoint.step} has another "
            f"{'; another '.join(refused.values())}. Give another --out{_cure(refused)}"
        )
    return saved, [
        f"goes on at step {saved.checkpoint.step} with another {text}" for text in changes.values()
    ]


def incomplete_checkpoints(run: Path, saved: RunCheckpoint | None) -> Iterator[str]:
    """A sentence for each incomplete checkpoint that is newer than `saved`."""
    every = steps_of(run / CHECKPOINTS)
    after = every.index(saved.folder) + 1 if saved is not None else 0
    for step in every[after:]:
        yield f"checkpoint {step.name} is incomplete ({fault_of(step)}); it is skipped and kept"


def require_state(run: Path, saved: RunCheckpoint | None) -> None:
    """Raises MismatchError if the run has ended and its state was removed, so that it cannot continue."""
    if saved is not None and not saved.checkpoint.has_state:
        raise MismatchError(
            f"{run}: its run ended at step {saved.checkpoint.step}, and its state was removed: the "
            "weights of the last step and the moments of the optimiser. Give another --out, fine-tune its "
            "model (walrus-finetune), or train again with --keep-state"
        )


def remove_state(run: Path) -> None:
    """Removes what only a run that continues needs; the identity of the run is kept.

    The reasons are in docs/decisions/0104-no-state-after-the-end.md.
    """
    SideTask("removal of the state of the run").do(lambda: _remove_state(run))


def _remove_state(run: Path) -> None:
    leave_identity(run / CHECKPOINTS)
    (run / BEST).unlink(missing_ok=True)


def _cure(refused: Collection[str]) -> str:
    if set(refused) <= set(PARTS):
        return ", or allow it: " + " ".join(f"--allow {part}" for part in refused)
    return ", or remove the folder"


def _changes(before: Identity, now: Identity) -> Iterator[tuple[str, str]]:
    """Each part that differs, with its keys; a setting that only one of the two versions has is ignored."""
    for part, values in now.items():
        old = before.get(part, {})
        keys = set(old) | set(values) if part == "data" else set(old) & set(values)
        changed = sorted(key for key in keys if old.get(key) != values.get(key))
        if changed:
            details = ", ".join(
                f"{key} {old.get(key, 'absent')} -> {values.get(key, 'absent')}" for key in changed
            )
            yield part, f"{part} ({details})"
