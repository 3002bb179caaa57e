"""Two ranks of which rank 0 is busy for two seconds: waits_run.py SECONDS reads|evaluates

SECONDS is how long ranks wait for each other. Rank 0 reads before both sum a number, or evaluates after they
have parted. Prints the exit code of each rank, and what rank 1 said.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from shards.errors import MismatchError
from walrus.training.distributed import (
    every_rank_needed,
    join_world,
    leave_world,
    let_ranks_wait,
    sum_over_ranks,
)

BUSY_SECONDS = 2.0


def work(rank: int, meeting: Path, seconds: float, busy: str) -> None:
    join_world(rank, 2, meeting)
    let_ranks_wait(seconds / 60)
    if rank == 0 and busy == "reads":
        time.sleep(BUSY_SECONDS)
    with every_rank_needed():
        sum_over_ranks([1.0])
    leave_world()
    if rank == 0 and busy == "evaluates":
        time.sleep(BUSY_SECONDS)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(2):
            child = os.fork()
            if child == 0:
                try:
                    work(rank, Path(folder) / "meeting", float(sys.argv[1]), sys.argv[2])
                except MismatchError as error:
                    if rank == 1:
                        print(error, flush=True)
                    os._exit(1)
                os._exit(0)
            children.append(child)
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])


if __name__ == "__main__":
    main()
