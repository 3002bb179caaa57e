"""Windows as each library reads them, one process per library: bench_loader.py asks by lines of JSON.

A reader is a generator: it gets the folder of a case and reads the windows it is given, in that order,
forever. It yields each as the tensors that are ready for the device, [T, C, *S] or [T, *S, C] in one piece or
in several of T. This file runs in the environment of the peers too, and needs no more than numpy and torch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from functools import cache, partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

# (trajectory, first frame, stride)
Window = tuple[int, int, int]
Read = Generator[tuple[Window, list[torch.Tensor]], None, None]

NAME = "waves"
HISTORY = 6
LARGEST_STRIDE = 5
# Windows per batch of walrus.data, and windows between two looks at the clock.
BATCH = 4
RING = 4
# After so many batches a reader has its memory: the first ones are written into new memory.
WARM = 4


def frames_of(window: Window) -> range:
    _, first, stride = window
    return range(first, first + HISTORY * stride + 1, stride)


def slice_of(window: Window) -> slice:
    frames = frames_of(window)
    return slice(frames.start, frames.stop, frames.step)


def memory_copy(folder: Path, windows: list[Window], workers: int) -> Read:
    """The limit: frames copied out of a map into memory that is used again."""
    fields = np.load(folder / "frames.npy", mmap_mode="r")
    ring = [torch.zeros((HISTORY + 1, *fields.shape[2:])) for _ in range(RING)]
    arrays = [tensor.numpy() for tensor in ring]
    for number, window in enumerate(cycle(windows)):
        for place, frame in enumerate(frames_of(window)):
            np.copyto(arrays[number % RING][place], fields[window[0], frame])
        yield window, [ring[number % RING]]


def decoder_alone(root: str, folder: Path, windows: list[Window], workers: int) -> Read:
    """The limit of a codec: chunks decoded out of memory into memory that is used again, by one thread."""
    from shards.codec import decode_into
    from shards.read import Dataset
    from shards.shard import CHECKSUM_BYTES, chunk_ranges

    dataset = Dataset(folder / root / NAME)
    chunks = []
    for entry in dataset.entries("train"):
        data = dataset.bytes_of(entry.segments[0].fields)
        ranges = chunk_ranges(data, dataset.slots(entry)).tolist()
        chunks.append([data[first : first + size - CHECKSUM_BYTES] for first, size in ranges])
    ring = [torch.zeros((HISTORY + 1, *dataset.card.schema.frame_shape)) for _ in range(RING)]
    arrays = [tensor.numpy() for tensor in ring]
    for number, window in enumerate(cycle(windows)):
        for place, frame in enumerate(frames_of(window)):
            decode_into(chunks[window[0]][frame], dataset.card.codec, arrays[number % RING][place])
        yield window, [ring[number % RING]]


def ours(root: str, blocks: int, folder: Path, windows: list[Window], workers: int) -> Read:
    """The stream of a training run in the plan's own order, `blocks` consecutive starts in a block.

    With blocks a store keeps half of the frames of the dataset.
    """
    from walrus.model.cost import cost_of
    from walrus.model.settings import PRESETS
    from walrus.reading.plan import StreamSettings
    from walrus.reading.reader import ReadSettings
    from walrus.reading.stream import Shards, plan_stream, stream

    drawn = StreamSettings(
        1, windows_2d=1, windows_3d=1, history_2d=HISTORY, history_3d=HISTORY, block=blocks, blocks_between=2
    )
    fields = np.load(folder / "frames.npy", mmap_mode="r")
    shards = Shards.open(
        folder / root, [NAME], ReadSettings(frame_store=0 if blocks == 1 else fields.nbytes // 2)
    )
    plan = plan_stream(shards, {NAME: 1}, drawn, 3, cost_of(PRESETS["tiny"]))
    for micro, batch in stream(plan, shards, 0, 10**9):
        (window,) = micro.windows
        yield (window.trajectory, window.first, window.stride), [batch.fields_BTCHWD[0]]


def windows_of_data(root: str, processes: int, folder: Path, windows: list[Window], workers: int) -> Read:
    """`walrus.data.Windows` in a DataLoader with so many workers: batches of the windows that are given."""
    from walrus.data import Windows

    dataset = Windows(
        folder / root / NAME, frames=HISTORY + 1, strides=range(1, LARGEST_STRIDE + 1), units="stored"
    )
    places = [dataset.locate(number)[1] for number in range(len(dataset))]
    number_of = {(place.trajectory, place.first, place.stride): n for n, place in enumerate(places)}
    order = [number_of[window] for _, window in zip(range(10**5), cycle(windows), strict=False)]
    loader = torch.utils.data.DataLoader(dataset, BATCH, sampler=order, num_workers=processes)
    coming = cycle(windows)
    for batch in loader:
        for number in range(BATCH):
            yield next(coming), [batch.fields[number]]


def stream_of_data(root: str, folder: Path, windows: list[Window], workers: int) -> Read:
    """`walrus.data.Stream` in a DataLoader without workers, in batches, in the plan's own order."""
    from walrus.data import ReadSettings, Stream, StreamSettings

    drawn = StreamSettings(1, windows_2d=BATCH, windows_3d=BATCH, history_2d=HISTORY, history_3d=HISTORY)
    stream = Stream(folder / root / NAME, drawn, seed=3, units="stored", reading=ReadSettings(frame_store=0))
    micros = stream.plan.of_steps(count(), stream.rank)
    for micro, batch in zip(micros, torch.utils.data.DataLoader(stream, batch_size=None), strict=False):
        for number, window in enumerate(micro.windows):
            yield (window.trajectory, window.first, window.stride), [batch.fields[number]]


def well(folder: Path, windows: list[Window], workers: int) -> Read:
    """The Well's own dataset in a DataLoader; one dataset for each stride, to read the very windows."""
    from the_well.data import WellDataset

    make = partial(WellDataset, path=str(folder / "well"), well_split_name="train", return_grid=False)
    by_stride = {
        stride: make(n_steps_input=HISTORY, n_steps_output=1, min_dt_stride=stride, max_dt_stride=stride)
        for stride in {stride for _, _, stride in windows}
    }

    class Windows(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return len(windows)

        def __getitem__(self, number: int) -> Any:
            trajectory, first, stride = windows[number]
            dataset = by_stride[stride]
            return dataset[trajectory * dataset.n_windows_per_trajectory[0] + first]

    order = cycle(range(len(windows)))
    loader = torch.utils.data.DataLoader(Windows(), sampler=order, num_workers=workers)
    for window, sample in zip(cycle(windows), loader, strict=False):
        yield window, [sample["input_fields"][0], sample["output_fields"][0]]


def h5py_slices(folder: Path, windows: list[Window], workers: int) -> Read:
    """A slice of a contiguous dataset for each field."""
    import h5py

    with h5py.File(folder / "well" / "data" / "train" / "waves.hdf5") as file:
        fields = list(file["t0_fields"].values())
        for window in cycle(windows):
            values = np.stack([field[window[0], slice_of(window)] for field in fields], axis=1)
            yield window, [torch.from_numpy(values)]


def h5py_direct(folder: Path, windows: list[Window], workers: int) -> Read:
    """As fast as h5py can: one chunk per frame, each read separately into reused memory."""
    import h5py

    with h5py.File(folder / "chunked.hdf5") as file:
        fields = file["fields"]
        ring = [torch.zeros((HISTORY + 1, *fields.shape[2:])) for _ in range(RING)]
        arrays = [tensor.numpy() for tensor in ring]
        for number, window in enumerate(cycle(windows)):
            for place, frame in enumerate(frames_of(window)):
                fields.read_direct(arrays[number % RING], np.s_[window[0], frame], np.s_[place])
            yield window, [ring[number % RING]]


def zarr_python(root: str, folder: Path, windows: list[Window], workers: int) -> Read:
    """Our shards through zarr-python."""
    import zarr

    folders = sorted((folder / root / NAME / "train").glob("*/"))
    groups = [zarr.open_group(path, mode="r") for path in folders]
    fields: list[Any] = [group["fields"] for group in groups]
    for window in cycle(windows):
        yield window, [torch.from_numpy(np.asarray(fields[window[0]][slice_of(window)]))]


def tensorstore(root: str, folder: Path, windows: list[Window], workers: int) -> Read:
    """Our shards through tensorstore, which has threads of its own."""
    import tensorstore as ts

    paths = sorted((folder / root / NAME / "train").glob("*/"))
    fields = [
        ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/fields/"}}).result()
        for path in paths
    ]
    for window in cycle(windows):
        yield window, [torch.from_numpy(np.asarray(fields[window[0]][slice_of(window)].read().result()))]


def webdataset(folder: Path, windows: list[Window], workers: int) -> Read:
    """Windows that were cut out beforehand, in the one order they have."""
    import webdataset as wds

    while True:
        stream = wds.WebDataset(str(folder / "windows.tar"), shardshuffle=False).decode()
        for window, sample in zip(windows, stream, strict=True):
            yield window, [torch.from_numpy(sample["npy"])]


def mosaic(folder: Path, windows: list[Window], workers: int) -> Read:
    """MDS with one frame per record."""
    place, frames = folder / "mds", _frames_a_trajectory(folder)
    if not place.is_dir():
        _write_mds(folder, place)
    dataset = _open_mds(place)
    for window in cycle(windows):
        numbers = [window[0] * frames + frame for frame in frames_of(window)]
        yield window, [torch.from_numpy(np.stack([dataset[number]["frame"] for number in numbers]))]


@cache
def _open_mds(place: Path) -> Any:
    """Once per process, each under a name of its own: it keeps what it has open in shared memory, by name."""
    from streaming import StreamingDataset

    own = place.with_name(f"mds-{os.getpid()}")
    own.symlink_to(place, target_is_directory=True)
    return StreamingDataset(local=str(own), shuffle=False, batch_size=1)


def _write_mds(folder: Path, place: Path) -> None:
    from streaming import MDSWriter

    fields = np.load(folder / "frames.npy", mmap_mode="r")
    shape = ",".join(str(size) for size in fields.shape[2:])
    with MDSWriter(out=str(place), columns={"frame": f"ndarray:float32:{shape}"}) as writer:
        for frame in fields.reshape(-1, *fields.shape[2:]):
            writer.write({"frame": np.array(frame)})


def litdata(folder: Path, windows: list[Window], workers: int) -> Read:
    """litdata with one frame per record."""
    from litdata import StreamingDataset

    place, frames = folder / "litdata", _frames_a_trajectory(folder)
    if not place.is_dir():
        _write_litdata(folder, place)
    dataset = StreamingDataset(str(place), shuffle=False)
    for window in cycle(windows):
        numbers = [window[0] * frames + frame for frame in frames_of(window)]
        yield window, [torch.stack([dataset[number] for number in numbers])]


def _write_litdata(folder: Path, place: Path) -> None:
    from litdata import optimize

    fields = np.load(folder / "frames.npy", mmap_mode="r")
    numbers = list(range(fields.shape[0] * fields.shape[1]))
    optimize(
        fn=partial(_frame, folder / "frames.npy"),
        inputs=numbers,
        output_dir=str(place),
        chunk_bytes="64MB",
        num_workers=1,
    )


def _frame(path: Path, number: int) -> torch.Tensor:
    fields = np.load(path, mmap_mode="r")
    return torch.from_numpy(np.array(fields[number // fields.shape[1], number % fields.shape[1]]))


def _frames_a_trajectory(folder: Path) -> int:
    return int(np.load(folder / "frames.npy", mmap_mode="r").shape[1])


BLOCK = 32
READERS: dict[str, Callable[[Path, list[Window], int], Read]] = {
    "memory copy (the limit)": memory_copy,
    "lz4 decoder, memory to memory": partial(decoder_alone, "zarr-lz4"),
    "ours raw, zarr": partial(ours, "zarr-raw", 1),
    "ours raw, webdataset": partial(ours, "webdataset-raw", 1),
    "ours lz4, zarr": partial(ours, "zarr-lz4", 1),
    "ours lz4, webdataset": partial(ours, "webdataset-lz4", 1),
    "ours lz4, zarr, blocks": partial(ours, "zarr-lz4", BLOCK),
    "ours lz4, webdataset, blocks": partial(ours, "webdataset-lz4", BLOCK),
    "ours zstd, zarr": partial(ours, "zarr-zstd", 1),
    "ours zstd, zarr, blocks": partial(ours, "zarr-zstd", BLOCK),
    "ours lz4 rounded, zarr": partial(ours, "zarr-lz4-rounded", 1),
    "ours lz4 rounded, zarr, blocks": partial(ours, "zarr-lz4-rounded", BLOCK),
    "Windows raw, DataLoader 0 workers": partial(windows_of_data, "zarr-raw", 0),
    "Windows raw, DataLoader 1 worker": partial(windows_of_data, "zarr-raw", 1),
    "Windows raw, DataLoader 2 workers": partial(windows_of_data, "zarr-raw", 2),
    "Windows lz4, DataLoader 0 workers": partial(windows_of_data, "zarr-lz4", 0),
    "Windows lz4, DataLoader 1 worker": partial(windows_of_data, "zarr-lz4", 1),
    "Windows lz4, DataLoader 2 workers": partial(windows_of_data, "zarr-lz4", 2),
    "Stream raw": partial(stream_of_data, "zarr-raw"),
    "Stream lz4": partial(stream_of_data, "zarr-lz4"),
    "WellDataset, DataLoader": well,
    "h5py slices, contiguous": h5py_slices,
    "h5py read_direct, one chunk per frame": h5py_direct,
    "zarr-python, raw": partial(zarr_python, "zarr-raw"),
    "zarr-python, lz4": partial(zarr_python, "zarr-lz4"),
    "tensorstore, raw": partial(tensorstore, "zarr-raw"),
    "tensorstore, lz4": partial(tensorstore, "zarr-lz4"),
    "webdataset, windows cut in advance": webdataset,
    "mosaicml-streaming, one frame per record": mosaic,
    "litdata, one frame per record": litdata,
}


def check(read: Read, sums: list[list[int]], number: int) -> int:
    """Compares so many windows with the sums of their frames, word by word; how many frames were equal."""
    equal = 0
    for window, pieces in islice(read, number):
        frames = [frame for piece in pieces for frame in piece.numpy()]
        for frame, at in zip(frames, frames_of(window), strict=True):
            found = int(np.ascontiguousarray(frame).view(np.uint32).sum(dtype=np.uint64))
            if found != sums[window[0]][at]:
                raise SystemExit(f"window {window}: frame {at} differs")
            equal += 1
    return equal


def rate(read: Read, seconds: float, least: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Windows per second of this clock, after as long without it; `least` at a time: whole batches."""
    warm = time.perf_counter() + seconds
    for batches in count():
        if batches >= WARM and time.perf_counter() > warm:
            break
        for _ in islice(read, least):
            pass
    began = clock()
    for number in count(least, least):
        for _ in islice(read, least):
            pass
        spent = clock() - began
        if spent > seconds:
            return number / spent
    raise AssertionError


def first_rate(read: Read, windows: int) -> float:
    """Windows per second from the opening on: for files that memory does not hold yet."""
    began = time.perf_counter()
    for _ in islice(read, windows):
        pass
    return windows / (time.perf_counter() - began)


def perform(request: dict[str, Any], open_reader: Callable[[], Read]) -> float:
    """One request."""
    if request["do"] == "tune":
        sys.path.insert(0, str(Path(__file__).parents[2]))
        from shards.program.machine import keep_freed_memory

        keep_freed_memory()
        return 0
    with closing(open_reader()) as read:
        if request["do"] == "check":
            return check(read, request["sums"], request["windows"])
        if request["do"] == "cold":
            return first_rate(read, request["windows"])
        clock = time.process_time if request["do"] == "processor" else time.perf_counter
        return rate(read, request["seconds"], request["windows"], clock)


def serve(name: str) -> None:
    """Answers requests until there are no more."""
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        folder = Path(request["folder"])
        windows = [tuple(window) for window in json.loads((folder / "windows.json").read_text())]
        answer = perform(request, partial(READERS[name], folder, windows, request["workers"]))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
