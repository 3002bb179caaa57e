import sys
from pathlib import Path

import pytest
from torch._subclasses.fake_tensor import FakeTensorMode

from walrus.model.cost import window_cost
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus

sys.path.insert(0, str(Path(__file__).parent))

from feeding_table import VOCABULARY, muon_operations, needed_of_node, tasks, training_operations


def test_operations_that_torch_counts_are_those_of_the_formula():
    with FakeTensorMode() as fake:
        network = Walrus(PRESETS["tiny"], VOCABULARY).eval()
    every = list(tasks())
    assert len(every) == 19
    for task in every[0], every[-1]:
        found = training_operations(fake, network, task)
        # The flags of the padding are convolved once a pass, and the formula counts windows alone.
        assert found == pytest.approx(
            window_cost(PRESETS["tiny"], task.schema, task.frames).training, rel=0.1
        )


def test_muon_takes_five_steps_over_every_matrix():
    with FakeTensorMode() as fake:
        network = Walrus(PRESETS["tiny"], VOCABULARY)
        width, fused = 96, 384 + 3 * 96
    expected = 0
    for rows, columns in ((3 * width, width), (width, width), (fused, width), (width, width), (width, 192)):
        small, large = sorted((rows, columns))
        expected += 5 * (4 * small**2 * large + 2 * small**3)
    assert muon_operations(fake, network) == PRESETS["tiny"].blocks * expected


def test_bytes_of_a_window_are_those_of_its_frames():
    task = next(task for task in tasks() if task.name == "MHD_64")
    # Density, magnetic field and velocity; three frames of history and one that follows.
    assert task.window_bytes == 4 * 4 * 7 * 64**3
    # Half of the rate is reached, and eight GPUs are fed.
    assert needed_of_node(task, 50e12, 1000e12) == (10.0, 80.0 * task.window_bytes)
