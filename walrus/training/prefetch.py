"""Copies micro-batches to a GPU, each while the one before is computed.

The reasons are in docs/decisions/0110-waits-for-the-host.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from walrus.batch import Batch
from walrus.reading.plan import MicroBatch

Item = TypeVar("Item")
Sent = TypeVar("Sent")


def prefetch_to_device(
    batches: Iterator[tuple[MicroBatch, Batch]], device: torch.device
) -> Iterator[tuple[MicroBatch, Batch]]:
    """Yield the micro-batches on the device; for a GPU, each is copied while the one before is computed.

    A batch is valid until the next one is requested, as in walrus.reading.stream. For a CPU nothing is
    copied, and nothing is read earlier.
    """
    if device.type != "cuda":
        for micro, batch in batches:
            yield micro, batch.to(device)
        return
    copies = torch.cuda.Stream(device)

    def send(item: tuple[MicroBatch, Batch]) -> tuple[MicroBatch, Batch, torch.cuda.Event]:
        micro, batch = item
        with torch.cuda.stream(copies):
            # Pins memory that the reader has not pinned itself.
            there = batch.pin_memory().to(device)
        return micro, there, copies.record_event()

    for micro, batch, arrived in one_ahead(requested_on(copies, batches), send):
        compute = torch.cuda.current_stream(device)
        compute.wait_event(arrived)
        # Otherwise the next copy could be written to this memory while it is still in use.
        batch.record_stream(compute)
        yield micro, batch


def requested_on(stream: torch.cuda.Stream, items: Iterator[Item]) -> Iterator[Item]:
    """The items, each requested while this stream of the GPU is current.

    A reader writes the next batch into the memory of the last one, once the copies that were started on the
    current stream are done: so the current stream must be the one that copies.
    """
    while True:
        with torch.cuda.stream(stream):
            item = next(items, None)
        if item is None:
            return
        yield item


def one_ahead(items: Iterator[Item], send: Callable[[Item], Sent]) -> Iterator[Sent]:
    """Yield `send(item)` for each item; `send` is called one item ahead.

    >>> def send(item: int) -> int:
    ...     print("sent", item)
    ...     return item
    >>> for item in one_ahead(iter([1, 2]), send):
    ...     print("used", item)
    sent 1
    sent 2
    used 1
    used 2
    """
    first = next(items, None)
    if first is None:
        return
    ready = send(first)
    for item in items:
        following = send(item)
        yield ready
        ready = following
    yield ready
