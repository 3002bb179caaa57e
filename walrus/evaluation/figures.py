"""Draw the pictures of one evaluated dataset, once for the report and the folder next to it.

A picture that cannot be drawn is reported and left out: it must not cost the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shards.program.side_task import SideTask
from walrus.evaluation.curve_figures import drift, growth, spectra
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.forecasts import SPECTRUM_STEPS
from walrus.evaluation.metrics import VRMSE
from walrus.evaluation.parameter_figures import error_by_parameter, flow_curves
from walrus.evaluation.recording import Recording
from walrus.evaluation.rollout_figures import animation, panel, panels, volume
from walrus.evaluation.scores import FORECASTERS, Forecaster, mean_of_scored
from walrus.evaluation.trajectory_table import MOST_PARAMETERS, varied_parameters


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
class Drawings:
    """All drawings of one dataset: pictures of rollouts, which the report shows in its viewer, and charts."""

    pictures: tuple[Drawing, ...]
    charts: tuple[Drawing, ...]

    @property
    def every(self) -> tuple[Drawing, ...]:
        return (*self.pictures, *self.charts)


def draw(evaluation: Evaluation) -> Drawings:
    """Draw all pictures and charts of a dataset."""
    return Drawings(_pictures(evaluation), _charts(evaluation))


def _try_to_draw(suffix: str, words: str, make: Callable[[], bytes]) -> tuple[Drawing, ...]:
    """The drawing, if it can be made."""
    data = SideTask(f"picture of {words}").do(make)
    return () if data is None else (Drawing(suffix, words, data),)


def _first_panel(recording: Recording) -> Callable[[], bytes]:
    """A function that draws the first channel of a rollout."""
    return lambda: panel(recording, recording.channels[0])


def _pictures(evaluation: Evaluation) -> tuple[Drawing, ...]:
    """The typical rollout, those of least and largest error, and all fields at one step."""
    recordings = evaluation.recordings
    drawings = _rollout(evaluation)
    for name, recording in (("least", recordings.best), ("largest", recordings.worst)):
        if recording is not None:
            drawings += _try_to_draw(f"-{name}", f"the rollout of {name} error", _first_panel(recording))
    words = "truth, forecast and error of every field"
    return drawings + _try_to_draw("-fields", words, lambda: panels(recordings.fields))


def _rollout(evaluation: Evaluation) -> tuple[Drawing, ...]:
    """The typical rollout at several steps, as planes of a volume near step 20, and as an animation."""
    recording = evaluation.recordings.typical
    channel = recording.channels[0]
    drawings = _try_to_draw("", "truth, forecast and error at several steps", _first_panel(recording))
    if len(recording.views) > 1:
        nearest = min(recording.steps, key=lambda step: abs(step - 20))
        at = recording.steps.index(nearest)
        words = "three planes of the volume, and a look through it"
        drawings += _try_to_draw("-volume", words, lambda: volume(recording, channel, at))
    if not recording.views[0].is_line:
        drawings += _try_to_draw("", "the rollout as an animation", lambda: animation(recording, channel))
    return drawings


def _charts(evaluation: Evaluation) -> tuple[Drawing, ...]:
    """Error growth; as far as there are any, error by parameter, the flow, spectra, conservation."""
    trajectories = evaluation.trajectories
    vrmses = [trajectory.rollout_FMTC[:, VRMSE] for trajectory in trajectories]
    drawings = _try_to_draw("-error", "error against rollout step", lambda: growth(evaluation.task, vrmses))

    names = varied_parameters(evaluation)[:MOST_PARAMETERS]
    parameters = {name: [each.scalars[name] for each in trajectories] for name in names}
    if parameters:
        errors = _rollout_errors(evaluation)
        words = "error against each parameter"
        drawings += _try_to_draw("-parameters", words, lambda: error_by_parameter(parameters, errors))

    if evaluation.flow:
        flows = [trajectory.flow_2TQ for trajectory in trajectories]
        drawings += _try_to_draw(
            "-flow", ", ".join(evaluation.flow), lambda: flow_curves(evaluation.flow, flows)
        )

    steps = SPECTRUM_STEPS[: max(len(trajectory.spectrum_T2CR) for trajectory in trajectories)]
    if trajectories[0].spectrum_T2CR.shape[-1] > 1:
        found = [trajectory.spectrum_T2CR for trajectory in trajectories]
        words = "power spectra of truth and forecast"
        drawings += _try_to_draw("-spectra", words, lambda: spectra(evaluation.channels, steps, found))

    if evaluation.conserved:
        changes = [trajectory.drift_2TQ for trajectory in trajectories]
        words = "drift of what a closed system conserves"
        drawings += _try_to_draw("-conservation", words, lambda: drift(evaluation.conserved, changes))
    return drawings


def _rollout_errors(evaluation: Evaluation) -> dict[Forecaster, list[float]]:
    """The VRMSE of each rollout, mean over fields and steps."""
    errors: dict[Forecaster, list[float]] = {}
    for f, forecaster in enumerate(FORECASTERS):
        rollouts = [each.rollout_FMTC[f, VRMSE] for each in evaluation.trajectories]
        errors[forecaster] = [float(mean_of_scored(error_TC.ravel(), 0)) for error_TC in rollouts]
    return errors
