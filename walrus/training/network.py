"""Estimates what ranks send each other in a step, by ZeRO stage, and how long that takes on a network.

The bytes are those that DeepSpeed 0.19 sends with our settings, in float32; a test counts them on real ranks
(tests/walrus/training/test_network.py). The time is that of a ring, in which the slowest link sends all
bytes. Each call has a latency that grows with the logarithm of the number of ranks. It is assumed that
nothing is sent while a rank computes.

The reasons are in docs/decisions/0137-what-the-network-costs.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from walrus.training.engine_settings import LARGEST_BUCKET

FLOAT = 4
# The most gathered parameters that DeepSpeed keeps from the forward to the backward pass (ZeRO 3).
MOST_KEPT = 10**9
# About the bytes of one call.
BUCKET_BYTES = FLOAT * LARGEST_BUCKET

Kind = Literal["all_reduce", "all_gather", "reduce_scatter"]


@dataclass(frozen=True)
class Network:
    """GPUs per machine, bytes per second of a GPU inside its machine and to others, seconds per message.

    The default is an H100 machine with 8 GPUs and a network card of 400 Gbit/s for each.
    """

    machine_ranks: int = 8
    inside: float = 300e9
    between: float = 50e9
    latency: float = 10e-6


@dataclass(frozen=True)
class Traffic:
    """One kind of call in a step: all its bytes, and its `ranks` ranks, `together` of them per machine."""

    kind: Kind
    bytes: float
    ranks: int
    together: int

    def seconds(self, network: Network) -> float:
        """The time of a ring on this network.

        >>> round(Traffic("all_gather", 8e9, 8, 8).seconds(Network(latency=0.0)), 4)
        0.0233
        """
        if self.ranks == 1:
            return 0.0
        inside = self.ranks <= self.together
        # A ring uses the network cards of all its ranks on a machine.
        rate = network.inside if inside else min(network.inside, network.between * self.together)
        rounds = 2 if self.kind == "all_reduce" else 1
        sent = rounds * self.bytes * (self.ranks - 1) / self.ranks
        calls = math.ceil(self.bytes / BUCKET_BYTES)
        return sent / rate + calls * rounds * math.ceil(math.log2(self.ranks)) * network.latency


@dataclass(frozen=True)
class Placement:
    """Where the state is: the ZeRO stage, and the number of ranks that share one copy of it (0: all).

    `secondary` is the number of ranks that share a second copy of the parameters, for the backward pass
    (ZeRO++ hpZ).
    """

    zero_stage: int
    shard: int = 0
    secondary: int = 0


def step_traffic(
    placement: Placement, parameters: int, ranks: int, micros: int, machine: int
) -> list[Traffic]:
    """All calls of a step of `micros` micro-batches per rank, with `machine` ranks per machine."""
    whole = FLOAT * parameters
    together = min(machine, ranks)
    if placement.zero_stage < 3:
        # DeepSpeed sums whole buckets where ranks need parts of them; ZeRO 2 does so in each micro-batch.
        sums = micros if placement.zero_stage == 2 else 1
        found = [Traffic("all_reduce", sums * whole, ranks, together)]
        if placement.zero_stage > 0:
            found.append(Traffic("all_gather", whole, ranks, together))
        return found
    shard = placement.shard or ranks
    near = min(machine, shard)
    forward = Traffic("all_gather", micros * whole, shard, near)
    found = [forward, Traffic("reduce_scatter", micros * whole, shard, near)]
    if parameters > MOST_KEPT:
        second = placement.secondary or shard
        found.append(Traffic("all_gather", micros * whole, second, min(machine, second)))
    if shard < ranks:
        copies = max(1, machine // shard)
        found.append(Traffic("all_reduce", whole / shard, ranks // shard, copies))
    return found
