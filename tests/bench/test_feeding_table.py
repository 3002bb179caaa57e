import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch._subclasses.fake_tensor import FakeTensorMode

from walrus.model.cost import window_cost
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus

sys.path.insert(0, str(Path(__file__).parent))

from feeding_table import (
    BENCHMARKS,
    H100,
    VOCABULARY,
    decoded_per_core,
    muon_operations,
    needed_of_node,
    task_row,
    tasks,
    training_operations,
)

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


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


def operations_of_page(preset):
    """Of each task, then of Muon. Every block takes the same: those of all follow from one and two."""
    counts = []
    for blocks in (1, 2):
        with FakeTensorMode() as fake:
            network = Walrus(replace(PRESETS[preset], blocks=blocks), VOCABULARY).eval()
        every = [training_operations(fake, network, task) for task in tasks()]
        counts.append([*every, muon_operations(fake, network)])
    more = PRESETS[preset].blocks - 1
    return [one + more * (two - one) for one, two in zip(*counts, strict=True)]


@pytest.mark.slow
def test_the_page_says_how_fast_a_loader_must_be_as_it_is_counted():
    page = PAGE.read_text(encoding="utf-8")
    decoded = decoded_per_core(BENCHMARKS.read_text(encoding="utf-8"))
    *every, muon = operations_of_page("walrus")
    rows = [
        task_row(task, operations, H100, decoded) for task, operations in zip(tasks(), every, strict=True)
    ]
    assert len(rows) == 19
    assert set(rows) <= set(page.splitlines())

    step = 4 * sum(task.windows * operations for task, operations in zip(tasks(), every, strict=True)) / 19
    words = " ".join(page.split())
    assert f"{muon / 1e12:.1f} TFLOP for `walrus`." in words
    assert f"A step of four micro-batches has {step / 1e12:.0f} TFLOP per GPU." in words
    assert f"| {100 * muon / step:.1f} % |" in words
