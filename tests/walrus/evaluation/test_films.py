"""Films: what the viewer decodes is what was recorded."""

import base64
import json
import re
import zlib

import numpy as np

from shards.drawing.plane import Scale, slices_of
from shards.drawing.viewer import Film, FilmedField, Strip, viewer
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.evaluation.films import filmed, wanted

OPEN = (Boundary.OPEN,) * 2
VOLUME = Grid(("x", "y", "z"), tuple(tuple(float(i) for i in range(size)) for size in (8, 6, 4)))


def test_the_films_are_of_median_least_and_largest_error_then_of_others():
    errors = [0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.8]
    assert filmed(errors) == {
        0: "median error",
        1: "least error",
        2: "largest error",
        3: "",
        4: "",
    }


def test_no_trajectory_of_two_has_the_median_error_and_one_alone_has_no_words():
    assert filmed([0.4, 0.7]) == {1: "largest error", 0: "least error"}
    assert filmed([0.4]) == {0: ""}


def test_a_volume_is_seen_in_nine_planes_and_one_look_through():
    views = slices_of(VOLUME, (OPEN,) * 3)
    assert [view.cut for view in views[:3]] == ["plane z = 1", "plane z = 2", "plane z = 3"]
    assert [view.projects for view in views] == [False] * 9 + [True]
    values = np.arange(8 * 6 * 4.0).reshape(8, 6, 4)
    np.testing.assert_array_equal(views[2].image(values), values[:, :, 3].T[::-1])


def test_steps_are_as_many_as_there_is_room_for():
    schema = Schema((FieldSpec("u", unit="K"),), VOLUME, (OPEN,) * 3, units={"x": "m"})
    few = wanted(schema, steps=100, films=3)
    assert (len(few.steps), few.steps[0], few.steps[-1]) == (60, 1, 100)
    assert few.views[0].names == ("x [m]", "y")
    wide = Grid(("x", "y"), (tuple(map(float, range(512))), tuple(map(float, range(256)))))
    large = wanted(Schema((FieldSpec("t", rank=2),), wide, (OPEN,) * 2), steps=100, films=5)
    assert len(large.views[0].cells_U) == 192
    assert len(large.steps) == 8


def test_levels_come_back_as_values_and_text_cannot_end_the_page():
    images = np.random.default_rng(1).normal(size=(3, 4, 6))
    images[1, 2, 3] = np.nan
    scale = Scale(-2.0, 2.0, "viridis")
    film = Film("</script>", ("a", "b", "c"), (FilmedField("u", "K", ("", "", ""), (Strip(images, scale),)),))
    grid = Grid(("x", "y"), (tuple(map(float, range(6))), tuple(map(float, range(4)))))
    html = viewer([film], slices_of(grid, (OPEN, OPEN)), "film")
    (text,) = re.findall(r"json\">(.*?)</script>", html, re.DOTALL)
    strip = json.loads(text)["films"][0]["fields"][0]["strips"][0]
    changes = np.frombuffer(zlib.decompress(base64.b64decode(strip["field"]["data"])), np.uint8)
    levels = np.cumsum(changes, dtype=np.uint8).reshape(strip["size"])
    assert levels[1, 2, 3] == 0
    seen = -2 + (levels - 1.0) / 254 * 4
    inside = np.abs(images) <= 2
    np.testing.assert_allclose(seen[inside], images[inside], atol=2 / 254 + 1e-9)
    assert strip["field"]["over"] == bool(np.nanmax(images) > 2)
    assert json.loads(text)["films"][0]["name"] == "</script>"
