"""The viewer of a report in a real browser: a choice by mouse or by key changes the picture that is shown."""

import pytest

from ingest.reporting.films import dataset_viewer
from shards.drawing.html_page import page
from shards.drawing.viewer import script
from shards.read import Dataset
from tests.browser import NEEDS_BROWSER, seen

ACTIONS = """
await see("begin", () => {});
await see("one step on", () => button("one step on"));
await see("one step back", () => button("one step back"));
await see("right", () => key("ArrowRight"));
await see("left", () => key("ArrowLeft"));
await see("field", () => choose("Field", 1));
await see("plane", () => choose("Plane", 1));
await see("trajectory", () => choose("Trajectory", 1));
await see("playing", () => key(" "));
await see("paused", () => key(" "));
"""

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]


@pytest.fixture(scope="module")
def shown(root, tmp_path_factory):
    """Words and colours after each action, of a volume."""
    text = page("A volume", dataset_viewer(Dataset(root / "MHD_64"), "train"), script())
    return seen(text, ACTIONS, tmp_path_factory.mktemp("page"))


def test_a_step_on_changes_the_picture_and_a_step_back_restores_it(shown):
    for on, back in (("one step on", "one step back"), ("right", "left")):
        assert shown[on][0] != shown["begin"][0]
        assert shown[on][1] != shown["begin"][1]
        assert shown[back] == shown["begin"]
    assert shown["right"] == shown["one step on"]


def test_another_field_plane_or_trajectory_is_another_picture(shown):
    assert shown["field"][0].startswith("magnetic field")
    assert len({tuple(shown[name][1]) for name in ("begin", "field", "plane", "trajectory")}) == 4


def test_the_space_bar_plays_and_pauses(shown):
    assert [shown[name][2] for name in ("begin", "playing", "paused")] == ["Play", "Pause", "Play"]
