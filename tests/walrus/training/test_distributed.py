import pytest

from shards.errors import MismatchError
from walrus.training.distributed import Launched

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def environment(monkeypatch):
    def put(*values):
        for name, value in zip(NAMES, values, strict=True):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return put


def test_a_launcher_names_the_rank(environment):
    environment("3", "8", "node-0", "29500")
    assert Launched.find() == Launched(3, 8)


def test_without_a_launcher_there_is_none(environment):
    environment(None, None, "node-0", "29500")
    assert Launched.find() is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("0", None, "node-0", "29500"), "RANK, MASTER_ADDR, MASTER_PORT without WORLD_SIZE"),
        (("0", "2", None, None), "without MASTER_ADDR, MASTER_PORT"),
        (("one", "2", "node-0", "29500"), "RANK=one, WORLD_SIZE=2; expected numbers"),
        (("2", "2", "node-0", "29500"), "RANK=2 of WORLD_SIZE=2; expected 0 to 1"),
    ],
)
def test_half_a_launcher_is_refused(environment, values, words):
    environment(*values)
    with pytest.raises(MismatchError, match=words):
        Launched.find()
