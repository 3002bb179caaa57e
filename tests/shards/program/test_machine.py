import os

from shards.program.machine import usable_cores


def test_cores_are_those_that_were_granted():
    granted = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(granted)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, granted)
    assert usable_cores() == len(granted)
