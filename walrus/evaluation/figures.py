"""The pictures of one evaluated dataset, each drawn once: for the report and for the folder beside it."""

from __future__ import annotations

from dataclasses import dataclass

from walrus.evaluation.curve_figures import drift, growth, spectra
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.forecasts import SPECTRUM_STEPS, VRMSE
from walrus.evaluation.rollout_figures import animation, panel, panels, volume


@dataclass(frozen=True, eq=False)
class Drawing:
    """A PNG or GIF: the name it has in a folder (`suffix` follows the task's), and what it shows in words."""

    suffix: str
    words: str
    data: bytes

    @property
    def is_film(self) -> bool:
        return self.data.startswith(b"GIF")


@dataclass(frozen=True, eq=False)
class Chapter:
    """Drawings under one heading of the report; without a heading they follow the text."""

    heading: str
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, eq=False)
class Drawings:
    """Those of one dataset, in the order of the report; `fields` shows every channel."""

    chapters: tuple[Chapter, ...]
    fields: Drawing

    @property
    def every(self) -> tuple[Drawing, ...]:
        return (*(drawing for chapter in self.chapters for drawing in chapter.drawings), self.fields)


def draw(judgement: Evaluation) -> Drawings:
    """All pictures of a dataset."""
    films = judgement.films
    chapters = [
        Chapter(_typical(len(judgement.tracks)), _rollout(judgement)),
        Chapter("All rollouts", _all(judgement)),
    ]
    for name, film in (("least", films.best), ("largest", films.worst)):
        if film is not None:
            seen = Drawing(f"-{name}", f"the rollout of {name} error", panel(film, film.channels[0]))
            chapters.append(Chapter(f"Rollout of {name} error", (seen,)))
    fields = Drawing("-fields", "truth, forecast and error of every field", panels(films.fields))
    return Drawings(tuple(chapters), fields)


def _typical(trajectories: int) -> str:
    """The rollout of median error, which of two is the larger."""
    if trajectories == 1:
        return "The rollout"
    return "Rollout of larger error" if trajectories == 2 else "Rollout of median error"


def _rollout(judgement: Evaluation) -> tuple[Drawing, ...]:
    film = judgement.films.typical
    channel = film.channels[0]
    drawings = [Drawing("", "truth, forecast and error at several steps", panel(film, channel))]
    if len(film.views) > 1:
        place = film.steps.index(min(film.steps, key=lambda step: abs(step - 20)))
        sight = volume(film, channel, place)
        drawings.append(Drawing("-volume", "three planes of the volume, and a look through it", sight))
    if not film.views[0].is_line:
        drawings.append(Drawing("", "the rollout as an animation", animation(film, channel)))
    return tuple(drawings)


def _all(judgement: Evaluation) -> tuple[Drawing, ...]:
    """Error growth, spectra where the grid has some, and conservation where there is a density or the like."""
    tracks = judgement.tracks
    vrmses = [track.rollout_FMTC[:, VRMSE] for track in tracks]
    drawings = [Drawing("-error", "error against rollout step", growth(judgement.task, vrmses))]
    steps = SPECTRUM_STEPS[: max(len(track.spectrum_T2CR) for track in tracks)]
    if tracks[0].spectrum_T2CR.shape[-1] > 1:
        found = spectra(judgement.channels, steps, [track.spectrum_T2CR for track in tracks])
        drawings.append(Drawing("-spectra", "power spectra of truth and forecast", found))
    if judgement.conserved:
        changes = drift(judgement.conserved, [track.drift_2TQ for track in tracks])
        drawings.append(Drawing("-conservation", "drift of what a closed system conserves", changes))
    return tuple(drawings)
