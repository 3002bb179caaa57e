"""Write an evaluation as a folder of pictures, report and scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shards.disk import write_atomically
from shards.json_text import to_text
from shards.program.side_task import SideTask
from walrus.evaluation.curve_figures import Curve
from walrus.evaluation.report import DatasetResult, RunFacts, write_report
from walrus.evaluation.score_tables import scores_document, task_scores, to_csv, to_latex


def save(folder: Path, run: RunFacts, results: Sequence[DatasetResult], curves: Sequence[Curve] = ()) -> None:
    """Write pictures of each task, scores.csv, horizons.csv, scores.tex, report.html; at last scores.json.

    Pictures and report may fail, which is reported; the scores may not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    SideTask("pictures").do(lambda: _write_pictures(folder / "pictures", results))
    evaluations = [result.evaluation for result in results]
    texts = {
        "scores.csv": to_csv([(each.task, each.scores) for each in evaluations]),
        "horizons.csv": to_csv([(each.task, each.horizons) for each in evaluations]),
        "scores.tex": to_latex(evaluations),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    SideTask("report.html").do(lambda: write_report(folder / "report.html", run, results, curves))
    write_atomically(folder / "scores.json", to_text(scores_document(task_scores(evaluations))).encode())


def _write_pictures(folder: Path, results: Sequence[DatasetResult]) -> None:
    folder.mkdir(exist_ok=True)
    for result in results:
        for drawing in result.drawings.every:
            kind = "gif" if drawing.is_animation else "png"
            write_atomically(folder / f"{result.task}{drawing.suffix}.{kind}", drawing.data)
