"""What the work can do without may fail in any way: once aloud, then silently."""

import pytest

from shards.program.side_task import SideTask


class OddLibraryError(Exception):
    pass


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OddLibraryError(), MemoryError()])
def test_a_failure_is_reported_once_and_the_rest_is_not_tried(error, capsys):
    def fail():
        raise error

    tried = []
    task = SideTask("picture.png")
    assert task.do(lambda: 7) == 7
    assert task.do(fail) is None
    assert task.do(lambda: tried.append(1)) is None
    assert tried == []
    told = capsys.readouterr().err
    assert told.count("picture.png: failed (") == 1
    assert (str(error) or type(error).__name__) in told


def test_whoever_ends_the_program_ends_it():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SideTask("picture.png").do(interrupt)
