"""Reads windows of shards into batches: what each step reads, in which order, and on which rank."""

from walrus.reading.plan import StreamPlan, StreamSettings
from walrus.reading.ranks import Rank
from walrus.reading.reader import ReadSettings
from walrus.reading.stream import Shards, plan_stream

__all__ = ["Rank", "ReadSettings", "Shards", "StreamPlan", "StreamSettings", "plan_stream"]
