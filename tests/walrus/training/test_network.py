import json
from pathlib import Path

import pytest

from tests.walrus.training.own_process import run_script
from tests.walrus.training.traffic_run import LAYERS, MICRO_BATCHES, WIDTH
from walrus.training.network import Network, Placement, Traffic, step_traffic

PARAMETERS = LAYERS * (WIDTH**2 + WIDTH)


def test_a_ring_is_as_slow_as_its_slowest_link():
    network = Network(machine_ranks=8, inside=300e9, between=50e9, latency=0.0)
    assert Traffic("all_gather", 300e9, 4, 4).seconds(network) == pytest.approx(3 / 4)
    assert Traffic("all_reduce", 300e9, 4, 4).seconds(network) == pytest.approx(2 * 3 / 4)
    # Twelve machines with one rank each in the ring, so one network card of a machine carries it.
    assert Traffic("all_reduce", 50e9, 12, 1).seconds(network) == pytest.approx(2 * 11 / 12)
    # Eight cards are faster than the links inside.
    assert Traffic("all_gather", 300e9, 96, 8).seconds(network) == pytest.approx(95 / 96)


def test_the_second_gather_of_a_large_model_stays_in_the_machine_with_a_secondary_copy():
    plain, hpz = (step_traffic(Placement(3, 0, second), 2 * 10**9, 96, 4, 8) for second in (0, 8))
    assert [each.ranks for each in plain] == [96, 96, 96]
    assert [each.ranks for each in hpz] == [96, 96, 8]


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bytes_are_those_that_real_ranks_send_in_each_placement(ranks):
    ended = run_script(Path(__file__).with_name("traffic_run.py"), ranks)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    placements = [Placement(stage) for stage in range(4)] + [Placement(3, shard=ranks // 2)]
    assert len(lines) == len(placements), ended.stderr
    # No word about what DeepSpeed calls, which no user can change.
    assert "FutureWarning" not in ended.stderr
    for placement, counted in zip(placements, lines, strict=True):
        expected = dict.fromkeys(("all_reduce", "all_gather", "reduce_scatter"), 0.0)
        for each in step_traffic(placement, PARAMETERS, ranks, MICRO_BATCHES, 8):
            expected[each.kind] += each.bytes
        for kind, size in expected.items():
            if kind == "all_gather" and placement.shard == 1:
                continue  # A rank that has all parameters gathers nothing.
            # Biases are kept gathered, and a few numbers are agreed on.
            assert counted.get(kind, [0, 0])[1] == pytest.approx(size, rel=0.005, abs=200), (placement, kind)
