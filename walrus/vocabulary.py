"""The channel names that a network knows: each has a column in its first and its last kernel."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from shards.errors import MismatchError

# Columns 0, 1 and 2 are not fields: they mark the padding beyond a boundary.
SERVICE_CHANNELS = ("closed_boundary", "open_boundary", "bias_correction")


@dataclass(frozen=True)
class Vocabulary:
    """Channel names in the order of their columns. A name keeps its column; new names are appended.

    >>> len(PUBLISHED), PUBLISHED.labels(["pressure", "velocity_x"])
    (67, (3, 4))
    >>> PUBLISHED.extend(["pressure", "salinity"]).labels(["salinity"])
    (67,)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.names[:3] != SERVICE_CHANNELS:
            raise MismatchError(
                f"vocabulary: begins with {self.names[:3]}; expected {SERVICE_CHANNELS}; "
                "extend PUBLISHED instead"
            )
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise MismatchError(f"vocabulary: {', '.join(twice)} appears twice; name each channel once")

    def __len__(self) -> int:
        return len(self.names)

    def extend(self, names: Iterable[str]) -> Vocabulary:
        """This vocabulary, with the names that it lacks appended in the given order."""
        return Vocabulary(tuple(dict.fromkeys((*self.names, *names))))

    def labels(self, names: Iterable[str]) -> tuple[int, ...]:
        """The column of each name; raises MismatchError for an unknown name, and suggests the nearest one."""
        return tuple(self._label(name) for name in names)

    def _label(self, name: str) -> int:
        if name in self.names[3:]:
            return self.names.index(name)
        near = difflib.get_close_matches(name, self.names[3:], n=1, cutoff=0)
        raise MismatchError(
            f"{name}: the model does not know this channel; the nearest of its {len(self) - 3} is "
            f"{near[0] if near else 'none'}; fine-tune it on the dataset (walrus-finetune), or rename the "
            "field in the recipe"
        )


def _tensor(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{row}{column}" for row, column in product("xyz", repeat=2))


PUBLISHED = Vocabulary(
    (
        *SERVICE_CHANNELS,
        *("pressure", "velocity_x", "velocity_y", "velocity_z"),
        *("zeros_like_density", "speed_of_sound", "concentration"),
        *_tensor("D"),
        *_tensor("E"),
        *("density", "energy", "velocity_r", "velocity_theta", "velocity_phi"),
        *("momentum_x", "momentum_y", "momentum_z", "pressure_re", "pressure_im", "mask"),
        *("magnetic_field_x", "magnetic_field_y", "magnetic_field_z", "A", "B", "height"),
        *("internal_energy", "temperature", "electron_fraction", "entropy"),
        *("magnetic_field_log_r", "magnetic_field_theta", "magnetic_field_phi", "velocity_log_r"),
        *("buoyancy", "tracer", "log10_density", "log10_temperature", "c_zz"),
        *_tensor("C"),
    )
)
