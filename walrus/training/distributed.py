"""The processes that train together: the rank of this one, how they connect, and what they exchange.

The reasons are in docs/decisions/0018-sharding-groups.md.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d

from shards.errors import MismatchError
from walrus.device import device

# How long ranks wait for each other at the start.
TIMEOUT = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class LauncherRank:
    """The rank that a launcher (torchrun, deepspeed, srun with a script) gave to this process."""

    rank: int
    ranks: int

    @classmethod
    def find(cls) -> LauncherRank | None:
        """The rank by the variables RANK and WORLD_SIZE; None if no launcher has set them.

        Raises MismatchError if only some of them are set, or they do not fit each other.
        """
        names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        found = {name: os.environ[name] for name in names if name in os.environ}
        if "RANK" not in found and "WORLD_SIZE" not in found:
            return None
        if len(found) < len(names):
            missing = ", ".join(name for name in names if name not in found)
            raise MismatchError(
                f"environment: {', '.join(found)} without {missing}; a launcher sets all four"
            )
        if not (found["RANK"].isdigit() and found["WORLD_SIZE"].isdigit()):
            raise MismatchError(
                f"environment: RANK={found['RANK']}, WORLD_SIZE={found['WORLD_SIZE']}; expected numbers"
            )
        rank, ranks = int(found["RANK"]), int(found["WORLD_SIZE"])
        if rank >= ranks:
            raise MismatchError(f"environment: RANK={rank} of WORLD_SIZE={ranks}; expected 0 to {ranks - 1}")
        return cls(rank, ranks)


def join_world(rank: int, ranks: int, meeting: Path | None) -> None:
    """Connects to the other ranks: by gloo on the CPU, by nccl on GPUs.

    `meeting` is a file by which the ranks of one machine find each other, which no earlier run has used;
    None: they find each other at the address of the launcher. Raises MismatchError if they cannot connect.
    """
    if meeting is not None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks)}
    os.environ.setdefault("LOCAL_RANK", "0")
    if torch.cuda.is_available():
        torch.cuda.set_device(device())
    elif meeting is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback())
    # A store, since a path given as a URL would be cut at its first # or ?.
    store = None if meeting is None else dist.FileStore(str(meeting), ranks)  # type: ignore[attr-defined]
    try:
        dist.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            store=store,
            rank=rank,
            world_size=ranks,
            timeout=TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        if meeting is None:
            place = f"MASTER_ADDR={os.environ['MASTER_ADDR']}, MASTER_PORT={os.environ['MASTER_PORT']}"
            remedy = (
                "start all ranks, give them the same address, and a port that is free and that all machines "
                "reach"
            )
        else:
            place, remedy = str(meeting), "the ranks of one machine need its loopback interface: switch it on"
        raise MismatchError(
            f"{place}: rank {rank} of {ranks} cannot connect to the others ({_first_line(error)}); {remedy}"
        ) from error


def loopback() -> str:
    """The name of the network interface inside this machine: `lo` on Linux, `lo0` on macOS."""
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    return names[0] if names else "lo"


@contextmanager
def every_rank_needed() -> Iterator[None]:
    """Raises MismatchError if ranks can no longer communicate, because one of them has ended."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise MismatchError(
            f"another rank has ended or does not answer ({_first_line(error)}); what it printed says why; "
            "the same command continues from the last checkpoint"
        ) from error


def let_ranks_wait(minutes: float) -> None:
    """Sets how long all groups of ranks wait for a rank that reads or saves, before it counts as lost.

    This includes the groups that DeepSpeed makes, to which torch gives 10 minutes on GPUs
    (docs/decisions/0136-how-long-ranks-wait.md).
    """
    # Torch has no public function for this.
    for group in list(distributed_c10d._world.pg_map):
        if dist.get_rank(group) >= 0:
            distributed_c10d._set_pg_timeout(datetime.timedelta(minutes=minutes), group)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def leave_world() -> None:
    """Waits for the other ranks, then disconnects."""
    dist.barrier()
    dist.destroy_process_group()


def sum_over_ranks(values: list[float]) -> list[float]:
    """Each value summed over all ranks, in double precision."""
    total = torch.tensor(values, dtype=torch.float64, device=device())
    if dist.get_world_size() > 1:
        dist.all_reduce(total)
    summed: list[float] = total.tolist()
    return summed


class ShardingGroup:
    """The ranks that share one copy of the state: `size` neighbours.

    It has the interface of a model-parallel unit of DeepSpeed: data-parallel over this group, and no model
    parallelism. `replicas` are the ranks, one of each group, that hold the same part of the state.
    """

    def __init__(self, size: int) -> None:
        rank, ranks = dist.get_rank(), dist.get_world_size()
        if ranks % size:
            raise MismatchError(
                f"engine.mics_shard_size {size}: {ranks} ranks cannot be grouped so; "
                f"expected a divisor of {ranks}"
            )
        self.size, self.count = size, ranks // size
        groups = [range(first, first + size) for first in range(0, ranks, size)]
        across = [range(first, ranks, size) for first in range(size)]
        # Every rank must call this for every group, in the same order.
        self.neighbours = _own([dist.new_group(list(members)) for members in groups], rank // size)
        self.replicas = _own([dist.new_group(list(members)) for members in across], rank % size)
        self.alone = _own([dist.new_group([member]) for member in range(ranks)], rank)

    def get_data_parallel_group(self) -> dist.ProcessGroup:
        return self.neighbours

    def get_data_parallel_world_size(self) -> int:
        return self.size

    def get_data_parallel_rank(self) -> int:
        return dist.get_rank() % self.size

    def get_model_parallel_group(self) -> dist.ProcessGroup:
        return self.alone

    def get_model_parallel_world_size(self) -> int:
        return 1

    def get_model_parallel_rank(self) -> int:
        return 0


def _own(groups: list[dist.ProcessGroup | None], number: int) -> dist.ProcessGroup:
    group = groups[number]
    assert group is not None
    return group
