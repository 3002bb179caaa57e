from contextlib import contextmanager
from itertools import islice

import torch

from walrus.batch import Batch
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.reading.plan import StreamSettings, Window
from walrus.reading.reader import BatchMemory, Reader
from walrus.reading.stream import Shards, plan_stream, stream
from walrus.training.prefetch import one_ahead, prefetch_to_device

TASKS = ["acoustic_scattering_discontinuous", "MHD_64"]


def test_on_a_cpu_a_run_gets_the_batches_of_the_stream_in_their_order(root):
    shards = Shards.open(root, TASKS)
    settings = StreamSettings(micro_batches=2, windows_2d=2, windows_3d=1, history_2d=3, history_3d=2)
    plan = plan_stream(shards, dict.fromkeys(TASKS, 1), settings, 0, cost_of(PRESETS["tiny"]))
    # The stream reuses its memory: each batch is compared while it is valid.
    plain = [(micro, batch.fields_BTCHWD.clone()) for micro, batch in stream(plan, shards, 0, 2)]
    seen = 0
    for (micro, batch), (other, fields) in zip(
        prefetch_to_device(stream(plan, shards, 0, 2), torch.device("cpu")), plain, strict=True
    ):
        assert micro == other
        assert torch.equal(batch.fields_BTCHWD, fields)
        seen += 1
    assert seen == 4


class LateStream:
    """A stream of a GPU at its latest: what is queued is done when somebody waits for it, not before."""

    def __init__(self, device=None):
        self.queued = []
        self.done = 0

    def run_to(self, count):
        while self.done < count:
            self.done += 1
            self.queued[self.done - 1]()

    def record_event(self):
        event = LateEvent()
        event.record(self)
        return event

    def wait_event(self, event):
        self.queued.append(event.synchronize)


class LateEvent:
    """What was queued on a stream when it was recorded there."""

    def record(self, stream=None):
        self.stream = stream or torch.cuda.current_stream()
        self.count = len(self.stream.queued)

    def synchronize(self):
        self.stream.run_to(self.count)


def use_late_streams(monkeypatch):
    """Lets copies to a GPU run on streams like those above, from memory that counts as pinned."""
    current = [LateStream()]

    @contextmanager
    def stream(other):
        current.append(other)
        yield
        current.pop()

    def to(batch, device):
        there = batch._with_tensors(torch.zeros_like)
        for name, value in there.tensors.items():
            current[-1].queued.append(lambda value=value, name=name: value.copy_(batch.tensors[name]))
        return there

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.Stream", LateStream)
    monkeypatch.setattr("torch.cuda.Event", LateEvent)
    monkeypatch.setattr("torch.cuda.stream", stream)
    monkeypatch.setattr("torch.cuda.current_stream", lambda device=None: current[-1])
    monkeypatch.setattr("walrus.reading.reader._memory", lambda size: torch.zeros(size, dtype=torch.uint8))
    monkeypatch.setattr(Batch, "to", to)
    monkeypatch.setattr(Batch, "pin_memory", lambda batch: batch)
    monkeypatch.setattr(Batch, "record_stream", lambda batch, stream: None)


def test_memory_of_a_batch_is_not_used_again_before_it_has_been_copied_to_a_gpu(root, monkeypatch):
    dataset = Shards.open(root, ["MHD_64"]).datasets["MHD_64"]
    reader, windows = Reader(dataset, "train"), [Window(0, first, 1) for first in range(3)]
    fresh = [reader.read([window], reader.buffers(1, 2)).fields_BTCHWD for window in windows]
    use_late_streams(monkeypatch)

    def read():
        memory = BatchMemory()
        for number, window in enumerate(windows):
            yield number, reader.read([window], memory.buffers(reader, 1, 2))
            memory.free()

    for (number, batch), expected in zip(
        prefetch_to_device(read(), torch.device("cuda")), fresh, strict=True
    ):
        torch.cuda.current_stream().record_event().synchronize()
        assert torch.equal(batch.fields_BTCHWD, expected), number


def test_one_item_is_sent_ahead_and_each_once():
    sent = []
    used = one_ahead(iter(range(4)), lambda item: sent.append(item) or item)
    assert sent == []
    assert list(islice(used, 2)) == [0, 1]
    assert sent == [0, 1, 2]
    assert list(used) == [2, 3]
    assert sent == [0, 1, 2, 3]
    assert list(one_ahead(iter(()), lambda item: item)) == []
