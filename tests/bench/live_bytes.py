"""Count what a pass holds: exact, equal on every machine, and independent of the allocator."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Inside a `with`, the bytes of all tensors that operations have made and nobody has dropped yet."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self._held: set[int] = set()

    def __torch_dispatch__(
        self, operation: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation, then count the storages among its results that none of its inputs had."""
        inputs = {leaf.untyped_storage()._cdata for leaf in _tensors((args, kwargs))}
        result = operation(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if storage.device.type != "meta" and storage._cdata not in self._held | inputs:
                self._held.add(storage._cdata)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._drop, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _drop(self, storage: int, size: int) -> None:
        self._held.discard(storage)
        self.now -= size


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes that one call holds at once, beyond its inputs."""
    with LiveBytes() as live:
        run()
    return live.peak


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
