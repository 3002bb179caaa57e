"""An evaluation as a folder of files: pictures, report, scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shards.disk import write_atomically
from shards.json_text import to_text
from walrus.evaluation.curve_figures import Curve
from walrus.evaluation.report import Result, RunFacts, write_report
from walrus.evaluation.score_tables import scores_document, task_scores, to_csv, to_latex


def save(folder: Path, run: RunFacts, results: Sequence[Result], curves: Sequence[Curve] = ()) -> None:
    """Writes the pictures of each task, report.html, scores.csv, horizons.csv, scores.tex, and at last scores.json."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for result in results:
        for drawing in result.drawings.every:
            kind = "gif" if drawing.is_film else "png"
            write_atomically(pictures / f"{result.task}{drawing.suffix}.{kind}", drawing.data)
    judgements = [result.judgement for result in results]
    texts = {
        "scores.csv": to_csv([(each.task, each.scores) for each in judgements]),
        "horizons.csv": to_csv([(each.task, each.horizons) for each in judgements]),
        "scores.tex": to_latex(judgements),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    write_report(folder / "report.html", run, results, curves)
    write_atomically(folder / "scores.json", to_text(scores_document(task_scores(judgements))).encode())
