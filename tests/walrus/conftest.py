"""Numbers of the published model, from `shared/golden` next to the repository.

Without it these tests skip.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from shards.schema import Boundary
from walrus.model.geometry import Boundaries
from walrus.model.published import from_published, published_settings
from walrus.model.random_draws import PatchJitter
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.rollout import Model
from walrus.vocabulary import PUBLISHED

FOLDER = Path(__file__).parents[3] / "shared" / "golden"


def boundaries_of(codes: list[list[int]]) -> Boundaries:
    height, width, depth = ((Boundary(lower), Boundary(upper)) for lower, upper in codes)
    return height, width, depth


def pick(y: Tensor, index: dict[str, list[int]]) -> Tensor:
    """The outer product of three index lists on the last three axes."""
    return y[..., index["H"], :, :][..., index["W"], :][..., index["D"]]


@dataclass(frozen=True)
class Case:
    """One entry of the manifest with its tensors."""

    entry: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def labels(self) -> list[int]:
        return [label["index"] for label in self.entry["labels"]]

    @property
    def boundaries(self) -> Boundaries:
        return boundaries_of(self.entry["boundary"]["codes"])

    @property
    def shifts(self) -> PatchJitter | None:
        jitter = self.entry["jitter"]
        if not jitter["enabled"]:
            return None
        return PatchJitter(
            tuple(jitter["cell_shift"]), tuple(map(tuple, jitter["token_shift_before_each_block"]))
        )

    @property
    def released(self) -> bool:
        return self.entry["reference_status"] == "affected"

    def field(self, name: str = "x") -> Tensor:
        """A stored field [T, B, C, H, W, D], float64, from its int8 factors."""
        factors = [self.tensors[f"{name}_factor_{axis}"].double() for axis in "hwd"]
        fields = torch.einsum("tbcrh,tbcrw,tbcrd->tbchwd", *factors)
        return fields * self.tensors[f"{name}_scale"].double()[:, None, None, None]

    def picked(self, y: Tensor, name: str | None = None) -> Tensor:
        """The stored cells of an output, or the stored cells and channels of an intermediate result."""
        if name is None:
            return pick(y, self.entry["output_index"])
        entry = self.entry["intermediates"][name]
        return pick(y[:, :, :: entry["channel_step"]], entry["index"])


class Golden:
    """The folder; files are read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.layouts = self.json("components/components.json")

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    @cache  # noqa: B019  one instance a session
    def file(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / name)

    def component(self, prefix: str) -> dict[str, Tensor]:
        """Tensors of one unit reference by the rest of their name."""
        everything = self.file("components/components.safetensors")
        return {
            name.removeprefix(prefix + "."): tensor
            for name, tensor in everything.items()
            if name.startswith(prefix + ".")
        }

    def case(self, name: str) -> Case:
        (entry,) = [entry for entry in self.manifest["cases"] if entry["name"] == name]
        return Case(entry, self.file(entry["file"]))

    def published_state(self, finetuned: bool = False) -> dict[str, Tensor]:
        state = self.file("model_state.safetensors")
        if finetuned:
            shared = {name: tensor for name, tensor in state.items() if not name.endswith(".freqs")}
            state = shared | self.file("model_state_finetuned_overlay.safetensors")
        return {name: tensor.float() for name, tensor in state.items()}

    @cache  # noqa: B019  one instance a session
    def model(self, dtype: torch.dtype, released: bool = False, finetuned: bool = False) -> Walrus:
        """The small reference model."""
        state = {name: tensor.to(dtype) for name, tensor in self.published_state(finetuned).items()}
        settings = published_settings(state)
        model = Walrus(replace(settings, released_seams=released), 67).to(dtype)
        model.load_state_dict(from_published(state, settings))
        return model


@pytest.fixture(scope="session")
def golden() -> Golden:
    if not (FOLDER / "manifest.json").exists():
        pytest.skip(f"no reference numbers at {FOLDER}")
    return Golden(FOLDER)


@pytest.fixture
def still() -> Model:
    """A model that predicts no change: persistence."""
    network = Walrus(ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1), 67).eval()
    with torch.no_grad():
        for decoder in network.decoders.values():
            decoder.second.zero_()
            decoder.bias.zero_()
    return Model(network, PUBLISHED, 1e-5)
