"""Blocks of shared memory: sent once, as they are, and free again when nobody uses them."""

import os

import torch

from walrus.data.shared_memory import FREE, Place, SharedMemoryPool, received, sent_places


def parts_of(memory):
    """Three tensors as those of a sample: one of them is empty."""
    return memory[:64].view(torch.float32).view(2, 8), memory[64:64].view(2, 0), memory[64:80]


def test_a_block_is_free_when_the_last_tensor_of_both_processes_is_deleted():
    pool = SharedMemoryPool()
    memory = pool.lend(80)
    parts = parts_of(memory)
    memory[:] = torch.arange(80)
    block, places = sent_places(parts)
    assert [type(place) for place in places] == [Place] * 3
    there = received(block.memory, places)
    assert all(torch.equal(sent, got) for sent, got in zip(parts, there, strict=True))
    del parts, memory
    assert not block.is_free
    view = there[2][:1]
    del there
    assert not block.is_free
    del view
    assert block.is_free
    assert pool.lend(70).data_ptr() == block.memory.data_ptr() + 64


def test_a_block_that_was_not_sent_is_free_when_its_tensors_are_deleted():
    pool = SharedMemoryPool()
    first = pool.lend(80)
    place = first.data_ptr()
    assert pool.lend(80).data_ptr() != place
    del first
    assert place in {pool.lend(80).data_ptr() for _ in range(2)}


def test_a_block_is_sent_once_and_other_tensors_are_sent_as_they_are():
    pool = SharedMemoryPool()
    memory = pool.lend(80)
    fields, empty, cells = parts_of(memory)
    other = torch.ones(3)
    scattered = fields[:, ::2]
    _, places = sent_places((fields[:1], scattered, other, cells))
    assert places[0].shape == (1, 8)
    assert places[1] is scattered
    assert places[2] is other
    assert isinstance(places[3], Place)
    assert sent_places((fields, empty, cells)) is None
    assert sent_places((other,)) is None


def test_a_fork_neither_gives_a_block_back_nor_writes_into_it():
    pool = SharedMemoryPool()
    memory = pool.lend(80)
    block, places = sent_places(parts_of(memory))
    there = received(block.memory, places)
    child = os.fork()
    if child == 0:
        del there
        os._exit(block.bytes[0] == FREE or pool.lend(80).data_ptr() == memory.data_ptr())
    assert os.waitpid(child, 0)[1] == 0
    assert not block.is_free
