"""Draw the pictures of one evaluated dataset, once for the report and the folder next to it.

A picture that cannot be drawn is reported and left out: it must not cost the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shards.program.side_task import SideTask
from walrus.evaluation.curve_figures import drift, growth, spectra
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.forecasts import SPECTRUM_STEPS, VRMSE
from walrus.evaluation.recording import Recording
from walrus.evaluation.rollout_figures import animation, panel, panels, volume


@dataclass(frozen=True, eq=False)
class Drawing:
    """A PNG or GIF: the end of its file name (after the task), and its caption."""

    suffix: str
    words: str
    data: bytes

    @property
    def is_animation(self) -> bool:
        return self.data.startswith(b"GIF")


@dataclass(frozen=True, eq=False)
class Chapter:
    """Drawings under one heading of the report; without a heading they follow the text."""

    heading: str
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, eq=False)
class Drawings:
    """All drawings of one dataset, in the order of the report; `fields` show every channel."""

    chapters: tuple[Chapter, ...]
    fields: tuple[Drawing, ...]

    @property
    def every(self) -> tuple[Drawing, ...]:
        drawings: list[Drawing] = []
        for chapter in self.chapters:
            drawings += chapter.drawings
        return (*drawings, *self.fields)


def draw(evaluation: Evaluation) -> Drawings:
    """Draw all pictures of a dataset."""
    recordings = evaluation.recordings
    chapters = [
        Chapter(_typical(len(evaluation.trajectories)), _rollout(evaluation)),
        Chapter("All rollouts", _all(evaluation)),
    ]
    for name, recording in (("least", recordings.best), ("largest", recordings.worst)):
        if recording is not None:
            seen = _drawn(f"-{name}", f"the rollout of {name} error", _first_panel(recording))
            chapters.append(Chapter(f"Rollout of {name} error", seen))
    fields = _drawn("-fields", "truth, forecast and error of every field", lambda: panels(recordings.fields))
    return Drawings(tuple(chapters), fields)


def _drawn(suffix: str, words: str, make: Callable[[], bytes]) -> tuple[Drawing, ...]:
    """The drawing, if it can be made."""
    data = SideTask(f"picture of {words}").do(make)
    return () if data is None else (Drawing(suffix, words, data),)


def _first_panel(recording: Recording) -> Callable[[], bytes]:
    """What draws the first channel of a rollout."""
    return lambda: panel(recording, recording.channels[0])


def _typical(trajectories: int) -> str:
    """The heading of the rollout of median error; of two rollouts that is the larger error."""
    if trajectories == 1:
        return "The rollout"
    return "Rollout of larger error" if trajectories == 2 else "Rollout of median error"


def _rollout(evaluation: Evaluation) -> tuple[Drawing, ...]:
    """The typical rollout at several steps, as planes of a volume near step 20, and as an animation."""
    recording = evaluation.recordings.typical
    channel = recording.channels[0]
    drawings = _drawn("", "truth, forecast and error at several steps", _first_panel(recording))
    if len(recording.views) > 1:
        nearest = min(recording.steps, key=lambda step: abs(step - 20))
        at = recording.steps.index(nearest)
        words = "three planes of the volume, and a look through it"
        drawings += _drawn("-volume", words, lambda: volume(recording, channel, at))
    if not recording.views[0].is_line:
        drawings += _drawn("", "the rollout as an animation", lambda: animation(recording, channel))
    return drawings


def _all(evaluation: Evaluation) -> tuple[Drawing, ...]:
    """Error growth, spectra if the grid has any, and conservation if some quantity is conserved."""
    trajectories = evaluation.trajectories
    vrmses = [trajectory.rollout_FMTC[:, VRMSE] for trajectory in trajectories]
    drawings = _drawn("-error", "error against rollout step", lambda: growth(evaluation.task, vrmses))
    steps = SPECTRUM_STEPS[: max(len(trajectory.spectrum_T2CR) for trajectory in trajectories)]
    if trajectories[0].spectrum_T2CR.shape[-1] > 1:
        found = [trajectory.spectrum_T2CR for trajectory in trajectories]
        drawings += _drawn(
            "-spectra",
            "power spectra of truth and forecast",
            lambda: spectra(evaluation.channels, steps, found),
        )
    if evaluation.conserved:
        changes = [trajectory.drift_2TQ for trajectory in trajectories]
        drawings += _drawn(
            "-conservation",
            "drift of what a closed system conserves",
            lambda: drift(evaluation.conserved, changes),
        )
    return drawings
