"""What exchanging costs a step of the published model: the table of docs/scaling.md.

python tests/bench/network_table.py
"""

from __future__ import annotations

from walrus.model.settings import PRESETS
from walrus.training.memory_estimate import parameter_count
from walrus.training.network import Network, Placement, step_traffic

VOCABULARY, MICRO_BATCHES = 67, 4
PLACEMENTS = {
    "ZeRO 0": Placement(0),
    "ZeRO 1": Placement(1),
    "ZeRO 2": Placement(2),
    "ZeRO 3": Placement(3),
    "ZeRO 3, hpZ of 8": Placement(3, secondary=8),
    "ZeRO 3 in groups of 4": Placement(3, shard=4),
    "ZeRO 3 in groups of 8": Placement(3, shard=8),
}
NETWORKS = {"400 Gbit/s": Network(), "100 Gbit/s": Network(between=12.5e9)}


def main() -> None:
    count = parameter_count(PRESETS["walrus"], VOCABULARY).total
    print("| | bytes per rank | 96, 400 Gbit/s | 96, 100 Gbit/s | 1024, 400 Gbit/s | 1024, 100 Gbit/s |")
    print("|---|---|---|---|---|---|")
    for name, placement in PLACEMENTS.items():
        cells = []
        for ranks in (96, 1024):
            for network in NETWORKS.values():
                calls = step_traffic(placement, count, ranks, MICRO_BATCHES, network.machine_ranks)
                cells.append(f"{sum(each.seconds(network) for each in calls):.2f} s")
        size = sum(each.bytes for each in step_traffic(placement, count, 96, MICRO_BATCHES, 8))
        print(f"| {name} | {size / 1e9:.1f} GB | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
