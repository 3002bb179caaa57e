"""Gives shards to any torch model: windows as tensors, without a Walrus model.

    from torch.utils.data import DataLoader
    from walrus.data import Windows

    for sample in DataLoader(Windows("data/shear_flow", frames=5), batch_size=8, shuffle=True):
        sample.fields  # [batch, time, channel, x, y], physical units

`Windows` is a map-style dataset: all windows of a split, by number. `Stream` is the endless stream of
pretraining, which resumes exactly: each item is a micro-batch of one task, and tasks are drawn by weight.
Both give a `Sample`.
"""

from shards.remote import open_place as open
from walrus.data.sample import Sample, Units
from walrus.data.stream import Stream
from walrus.data.windows import BatchesOfOneDataset, Windows
from walrus.reading.plan import StreamSettings
from walrus.reading.ranks import Rank
from walrus.reading.reader import ReadSettings

__all__ = [
    "BatchesOfOneDataset",
    "Rank",
    "ReadSettings",
    "Sample",
    "Stream",
    "StreamSettings",
    "Units",
    "Windows",
    "open",
]
