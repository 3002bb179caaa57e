"""Two evaluations next to each other: differences by hand, on the same trajectories alone, on one page."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from math import inf

import pytest

from shards.errors import MismatchError
from tests.walrus.evaluation.test_curve_figures import BLUE, GREEN, GREY, ORANGE, height, pixels
from tests.walrus.evaluation.test_score_tables import evaluation
from walrus.evaluation.comparison import compare, comparison_table, read_evaluations
from walrus.evaluation.comparison_report import growth_of_both, write_comparison
from walrus.evaluation.score_tables import read_scores, scores_document, task_scores


def saved(folder, *evaluations, **changes):
    """The scores of evaluations as walrus-evaluate leaves them."""
    tasks = {name: replace(found, **changes) for name, found in task_scores(evaluations).items()}
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(scores_document(tasks)))
    return folder


@pytest.fixture
def pair(tmp_path):
    """A errs by 0.1 and 0.3 on the two trajectories, B by 0.2 and 0.6; on the other system by half of A."""
    first = saved(tmp_path / "a", evaluation("shear_flow", 0.1, 30), evaluation("own_flow", 0.4))
    second = saved(
        tmp_path / "b" / "evaluation", evaluation("shear_flow", 0.2, 30), evaluation("own_flow", 0.2)
    ).parent
    return first, second


def test_scores_with_a_flipped_bit_are_refused_and_those_without_a_checksum_are_read(pair):
    path = pair[0] / "scores.json"
    text, tasks = path.read_bytes(), read_scores(path)
    draw = random.Random(0)
    for place in draw.sample(range(8 * len(text)), 300):
        flipped = bytearray(text)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        # One in the key of the checksum is without effect.
        with suppress(MismatchError):
            assert read_scores(path) == tasks
    without = json.loads(text)
    for task in without.values():
        del task["crc32c"]
    path.write_text(json.dumps(without))
    assert read_scores(path) == tasks


def test_scores_by_trajectory_and_by_step_are_kept_with_the_others(pair):
    first, _ = read_evaluations(pair)
    found = first.tasks["shear_flow"]
    assert found.by_trajectory["one-step"] == pytest.approx((0.1, 0.3))
    assert found.by_trajectory["21:60"] == pytest.approx((0.1, 0.3))
    assert found.by_step["model"] == pytest.approx((0.2,) * 30)
    assert found.by_step["persistence"] == pytest.approx((0.5,) * 30)


def test_differences_are_in_parts_of_the_first_and_better_ones_are_counted(pair):
    found = compare(*read_evaluations(pair))
    rows = {(each.task, each.window): each for each in found.differences}
    shear = rows["shear_flow", "1:20"]
    assert (shear.first, shear.second, shear.share) == pytest.approx((0.2, 0.4, 1.0))
    assert (shear.better, shear.count) == (0, 2)
    own = rows["own_flow", "one-step"]
    assert (own.share, own.better, own.count) == (pytest.approx(-0.5), 2, 2)
    assert (
        "own_flow    one step           0.8       0.4      -50.0%  2 of 2 trajectories"
        in comparison_table(found)
    )
    json.dumps(found.document, allow_nan=False)


def test_the_page_has_scores_n_and_curves_and_runs_nothing(pair, tmp_path):
    first, second = read_evaluations(pair)
    hostile = replace(second, name="<script>alert(1)</script>")
    text = write_comparison(tmp_path / "page", compare(first, hostile)).read_text("utf-8")
    assert "on <b>2 of 4</b> trajectories one step ahead, on <b>2 of 4</b> trajectories in rollouts." in text
    assert "−50.0%" in text
    assert "2 of 2" in text
    assert text.count("data:image/png") == 1
    assert "<script>" not in text


def test_both_models_and_all_baselines_are_drawn_each_at_its_error(pair):
    found = compare(*read_evaluations(pair))
    own = found.growth[1]
    assert [errors[0] for errors in own.models] == pytest.approx([0.8, 0.4])
    assert {name: errors[0] for name, errors in own.baselines.items()} == pytest.approx(
        {"persistence": 0.5, "linear": 0.7, "trend": 0.9}
    )
    plot = pixels(growth_of_both(replace(found, growth=(own,))))[180:, 200:]
    second, baseline, first, trend = (height(plot, hue) for hue in (ORANGE, GREY, BLUE, GREEN))
    assert trend < first < baseline < second


def test_the_trend_that_an_earlier_version_did_not_score_is_that_of_the_other(pair):
    first, second = read_evaluations(pair)
    tasks = {
        name: replace(task, by_step={key: task.by_step[key] for key in ("model", "persistence", "linear")})
        for name, task in first.tasks.items()
    }
    old = replace(first, tasks=tasks)
    assert compare(old, second).growth == compare(first, second).growth
    assert set(compare(old, replace(old, name="old")).growth[0].baselines) == {"persistence", "linear"}


def test_a_run_may_be_called_as_a_baseline_is(pair):
    first, second = read_evaluations(pair)
    named = compare(replace(first, name="trend"), second)
    assert named.growth == compare(first, second).growth


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trajectories": ("a", "c")}, "was evaluated with trajectories a, b, b with trajectories a, c;"),
        ({"start": (17,)}, "start 4, b with start 17"),
        ({"by_step": {"model": (0.4,), "persistence": (0.6,)}}, "though their names do not"),
        ({"by_trajectory": {}}, "scored by an earlier version"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_differs(pair, tmp_path, changes, words):
    other = saved(tmp_path / "c" / "b", evaluation("shear_flow", 0.2, 30), **changes)
    with pytest.raises(MismatchError, match=words):
        compare(*read_evaluations((pair[0], other)))
    with pytest.raises(MismatchError, match=r"has no scores\.json, and no evaluation"):
        read_evaluations((pair[0], tmp_path))


def test_a_run_is_not_compared_with_itself(pair):
    first, _ = pair
    with pytest.raises(MismatchError, match="is both runs; name two evaluated runs"):
        read_evaluations((first, first / ".." / first.name))


def test_what_differs_and_does_not_matter_is_said(pair, tmp_path):
    other = saved(tmp_path / "c", evaluation("shear_flow", 0.2, 12), history=2)
    found = compare(*read_evaluations((pair[0], other)))
    assert [each.window for each in found.differences] == ["one-step"]
    assert found.remarks == (
        "shear_flow: a looks back 4 frames, c 2: their scores of one step are means over other frames",
        "shear_flow: rollouts of 30 and of 12 steps; windows that end at another step are left out",
        "only a has own_flow",
    )


def test_other_ways_to_forecast_are_named_once_for_all_datasets(pair, tmp_path):
    other = [evaluation("shear_flow", 0.2, 30), evaluation("own_flow", 0.3)]
    other = [replace(each, trend_share=0.7, draws=4, change=(0, inf)) for each in other]
    found = compare(*read_evaluations((pair[0], saved(tmp_path / "c", *other, jitter=False))))
    assert found.remarks == (
        "patch jitter: on for a; off for c",
        "draws of the jitter: 1 for a; 4 for c",
        "share of the trend: 0 for a; 0.7 for c",
        "bounds on the change: 0.25, 1 for a; 0, none for c",
    )


def test_what_earlier_versions_did_not_write_does_not_differ(pair, tmp_path):
    older = [evaluation("shear_flow", 0.2, 30), evaluation("own_flow", 0.3)]
    older = saved(tmp_path / "c", *older, trend_share=None, draws=None, change=())
    assert compare(*read_evaluations((pair[0], older))).remarks == ()


def test_models_without_a_common_dataset_are_refused(pair, tmp_path):
    alone = saved(tmp_path / "d", evaluation("other", 0.2))
    with pytest.raises(MismatchError, match="there is no dataset of both to compare"):
        compare(*read_evaluations((pair[0], alone)))
