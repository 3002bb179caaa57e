from itertools import islice

import torch

from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.reading.plan import StreamSettings
from walrus.reading.stream import Shards, plan_stream, stream
from walrus.training.copies import copied, one_ahead

TASKS = ["acoustic_scattering_discontinuous", "MHD_64"]


def test_on_a_cpu_a_run_gets_the_batches_of_the_stream_in_their_order(root):
    shards = Shards.open(root, TASKS)
    settings = StreamSettings(micro_batches=2, windows_2d=2, windows_3d=1, history_2d=3, history_3d=2)
    plan = plan_stream(shards, dict.fromkeys(TASKS, 1), settings, 0, cost_of(PRESETS["tiny"]))
    # The stream reuses its memory: each batch is compared while it is valid.
    plain = [(micro, batch.fields_BTCHWD.clone()) for micro, batch in stream(plan, shards, 0, 2)]
    seen = 0
    for (micro, batch), (other, fields) in zip(
        copied(stream(plan, shards, 0, 2), torch.device("cpu")), plain, strict=True
    ):
        assert micro == other
        assert torch.equal(batch.fields_BTCHWD, fields)
        seen += 1
    assert seen == 4


def test_one_item_is_sent_ahead_and_each_once():
    sent = []
    used = one_ahead(iter(range(4)), lambda item: sent.append(item) or item)
    assert sent == []
    assert list(islice(used, 2)) == [0, 1]
    assert sent == [0, 1, 2]
    assert list(used) == [2, 3]
    assert sent == [0, 1, 2, 3]
    assert list(one_ahead(iter(()), lambda item: item)) == []
