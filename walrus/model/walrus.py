"""The Walrus network: its input is a window of normalised fields, its output their normalised changes.

Axes: T time, B batch, N = T x B frames, C channel, F flags of a cell, H W D cells, h w d tokens per axis,
S = h x w x d, K blocks, E width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shards.errors import MismatchError
from walrus.device import on_device_of
from walrus.model.block import Block
from walrus.model.decoder import Decoder
from walrus.model.encoder import Encoder
from walrus.model.geometry import Axes, Boundaries, Patching, plan_axes
from walrus.model.padding import boundary_flags, cell_flags, pad_grid
from walrus.model.position import GridPosition
from walrus.model.random_draws import PatchJitter, Shift, StochasticDepth
from walrus.model.settings import STEMS, ModelSettings
from walrus.model.time_mixing import lag_buckets

NO_SHIFT: Shift = (0, 0, 0)


class Walrus(nn.Module):
    """The published architecture (arXiv 2511.15684): encoder, blocks, decoder.

    The encoder and decoder for 2D data differ from those for 3D data; the blocks are the same.
    `vocabulary_size` is the number of names in the vocabulary, with the service channels.
    """

    def __init__(self, settings: ModelSettings, vocabulary_size: int) -> None:
        # The order of these layers decides which initial weights each gets from the random generator.
        super().__init__()
        self.settings = settings
        self.encoders = nn.ModuleDict(
            {STEMS[count]: Encoder(settings, vocabulary_size) for count in settings.dimensions}
        )
        grid = settings.position_grid
        self.position = GridPosition(grid, settings.hidden) if grid else None
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.blocks))
        self.decoders = nn.ModuleDict(
            {STEMS[count]: Decoder(settings, vocabulary_size) for count in settings.dimensions}
        )

    def forward(
        self,
        x_TBCHWD: Tensor,
        labels: Sequence[int] | Tensor,
        boundaries: Boundaries,
        shifts: PatchJitter | None = None,
        paths: StochasticDepth | None = None,
        *,
        last_only: bool = False,
        patching: Patching | None = None,
        cells_BHWD: Tensor | None = None,
    ) -> Tensor:
        """[T, B, C, H, W, D] the normalised change of every channel from each frame to the next.

        - `x_TBCHWD`: normalised fields; `labels`: the vocabulary columns of their C channels.
        - `boundaries`: (lower, upper) of H, W and D.
        - `shifts`: the patch jitter; without it the grid is not shifted.
        - `paths`: the stochastic depth; without it all branches are kept.
        - `last_only`: decode only the change after the last frame, [1, B, C, H, W, D].
        - `patching`: strides instead of those of the table.
        - `cells_BHWD`: the boundary bits of each cell (shards.schema.Cell), for a model with `cell_flags`.

        Raises MismatchError if labels, grid or shifts do not fit.
        """
        _, windows, channels, *shape = x_TBCHWD.shape
        labels_C = on_device_of(labels, x_TBCHWD)
        if len(labels_C) != channels:
            raise MismatchError(
                f"model: {len(labels_C)} labels for {channels} channels; give one per channel"
            )
        axes = plan_axes(
            self.settings,
            (shape[0], shape[1], shape[2]),
            boundaries,
            jitter=shifts is not None,
            patching=patching,
        )
        if shifts is not None:
            shifts.check(axes)
        shift = NO_SHIFT if shifts is None else shifts.cells

        stem = self._stem(axes)
        # The tokens before the blocks have no name: a name would keep their memory until the last block is
        # done (docs/decisions/0107-a-lean-forward-pass.md).
        x_TBSE = self._mix(
            self._encode(stem, x_TBCHWD, labels_C, axes, shift, cells_BHWD), axes, shifts, paths
        )
        x_TBSE = x_TBSE[-1:] if last_only else x_TBSE
        tokens = [axis.tokens for axis in axes]
        x_NEhwd = x_TBSE.flatten(0, 1).transpose(1, 2).reshape(-1, self.settings.hidden, *tokens)
        y_NCHWD = self._run(self.decoders[stem], x_NEhwd, labels_C, axes, shift, recomputes=self._recomputes)
        return y_NCHWD.reshape(-1, windows, channels, *shape)

    def _encode(
        self,
        stem: str,
        x_TBCHWD: Tensor,
        labels_C: Tensor,
        axes: Axes,
        shift: Shift,
        cells_BHWD: Tensor | None,
    ) -> Tensor:
        """[T, B, S, E] the tokens of the padded fields and their flags."""
        x_NCHWD = pad_grid(x_TBCHWD.flatten(0, 1), axes, shift)
        flags_3HWD = boundary_flags(axes, shift, x_NCHWD)
        cells_BFHWD = None
        if self.settings.cell_flags and cells_BHWD is not None:
            cells_BFHWD = cell_flags(cells_BHWD, axes, shift, x_NCHWD)
        x_NEhwd = self._run(
            self.encoders[stem], x_NCHWD, flags_3HWD, labels_C, axes, cells_BFHWD, recomputes=self._recomputes
        )
        # Contiguous, as the input of every block: a view would need another compiled graph.
        x_TBSE: Tensor = x_NEhwd.unflatten(0, x_TBCHWD.shape[:2]).flatten(3).transpose(2, 3).contiguous()
        return self.position(x_TBSE, axes) if self.position else x_TBSE

    def _mix(
        self, x_TBSE: Tensor, axes: Axes, shifts: PatchJitter | None, paths: StochasticDepth | None
    ) -> Tensor:
        """[T, B, S, E] the tokens after all blocks."""
        bucket_QK = lag_buckets(len(x_TBSE), causal=self.settings.causal, device=x_TBSE.device)
        rolled_K3 = on_device_of(torch.tensor(self._rolls(shifts)), x_TBSE)
        paths = None if paths is None else paths.to(x_TBSE)
        for number, block in enumerate(self.blocks):
            time_B = None if paths is None else paths.time_KB[number]
            space_TB = None if paths is None else paths.space_KTB[number]
            recomputes = self._recomputes and number % self.settings.checkpoint_every == 0
            # Not inside the block, which is compiled: docs/decisions/0079-few-graphs.md.
            phases_SR2 = block.get_submodule("rotary")(axes, rolled_K3[number], x_TBSE)
            x_TBSE = self._run(block, x_TBSE, bucket_QK, phases_SR2, time_B, space_TB, recomputes=recomputes)
        return x_TBSE

    def _rolls(self, shifts: PatchJitter | None) -> list[Shift]:
        """By how many positions the tokens are rolled in each block: the sum of the rolls so far."""
        if shifts is None:
            return [NO_SHIFT] * len(self.blocks)
        return list(accumulate(shifts.tokens, _sum))

    @property
    def _recomputes(self) -> bool:
        """Whether the backward pass recomputes activations instead of keeping them."""
        return self.training and self.settings.checkpoint_every > 0

    def _stem(self, axes: Axes) -> str:
        """Which encoder and decoder this grid needs: see STEMS."""
        real = sum(axis.size > 1 for axis in axes)
        stem = STEMS[3 if real == 3 else 2]
        if stem not in self.encoders:
            raise MismatchError(
                f"model: a grid of {real} real axes; this model has dimensions {self.settings.dimensions}; "
                "train one with both"
            )
        return stem

    @staticmethod
    def _run(module: nn.Module, *inputs: object, recomputes: bool) -> Tensor:
        """The output of a module; with `recomputes`, the backward pass computes its activations again."""
        if not recomputes:
            output: Tensor = module(*inputs)
            return output
        # No random state to preserve: walrus.model.random_draws draws everything before the pass.
        recomputed: Tensor = checkpoint(module, *inputs, use_reentrant=False, preserve_rng_state=False)
        return recomputed


def _sum(one: Shift, two: Shift) -> Shift:
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]
