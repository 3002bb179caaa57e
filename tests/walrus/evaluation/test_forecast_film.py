"""The film of a forecast: its planes, and how little of a long forecast it keeps."""

import io

import numpy as np
from PIL import Image

from shards.read import Dataset
from walrus.evaluation.forecast_film import MOST_CELLS, MOST_PICTURES, ForecastFilm


def test_a_long_forecast_keeps_no_more_pictures_than_a_short_one(root):
    schema = Dataset(root / "shear_flow").card.schema
    film = ForecastFilm("Forecast", schema, np.arange(5000) * 0.5)
    frame_CS = np.zeros(schema.frame_shape, np.float32)
    for step in range(5000):
        frame_CS[:, 3, 2] = step
        film.add(step, frame_CS)
    assert len(film.images_TCVU) == MOST_PICTURES
    assert (film.steps_T[0], film.steps_T[-1]) == (0, 4999)
    # The first axis to the right, the second upward.
    assert film.images_TCVU[-1].shape == (4, 64, 32)
    np.testing.assert_array_equal(film.images_TCVU[-1][:, -3, 3], 4999)


def test_a_frame_that_is_not_finite_is_not_drawn(root):
    schema = Dataset(root / "MHD_64").card.schema
    film = ForecastFilm("Forecast", schema, [0.1, 0.2, 0.3])
    random = np.random.default_rng(0)
    for step in range(3):
        frame_CS = random.normal(size=schema.frame_shape)
        film.add(step, np.where(step == 2, np.nan, frame_CS))
    with Image.open(io.BytesIO(film.gif())) as drawn:
        assert drawn.n_frames == 2
    assert max(film.images_TCVU[0].shape[1:]) <= MOST_CELLS
