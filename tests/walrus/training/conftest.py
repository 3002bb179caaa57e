"""A world of one rank in the process of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture
def world(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()
