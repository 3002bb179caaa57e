"""What a repeated end of a periodic axis is, and what only looks like one."""

import numpy as np

from ingest.repeated_end import repeats_its_first_cells

T, X, Y = 3, 9, 6
TIME = np.arange(T)[:, None, None]
X_NODES = np.linspace(0, 1, X)[:, None]
Y_NODES = np.linspace(0, 1, Y)
WAVE = np.sin(2 * np.pi * (X_NODES - 0.1 * TIME) + Y_NODES)[:, None]


def test_a_wave_on_nodes_repeats_its_first_cells_along_its_own_axis_alone():
    assert repeats_its_first_cells(WAVE, 0)
    assert not repeats_its_first_cells(WAVE, 1)


def test_a_wave_on_cells_repeats_nothing():
    assert not repeats_its_first_cells(WAVE[:, :, :-1], 0)


def test_a_field_that_is_zero_on_both_walls_repeats_nothing():
    between_walls = WAVE * np.sin(np.pi * Y_NODES)
    assert not repeats_its_first_cells(between_walls, 1)


def test_a_mirror_image_repeats_nothing():
    mirrored = np.cos(2 * np.pi * Y_NODES) * np.ones((T, 1, X, 1)) * (1 + X_NODES)
    assert not repeats_its_first_cells(mirrored, 1)


def test_one_channel_that_differs_is_enough_to_repeat_nothing():
    other = np.broadcast_to(X_NODES, (T, 1, X, Y))
    assert not repeats_its_first_cells(np.concatenate([WAVE, other], axis=1), 0)
