"""Attention among all tokens of a frame, in parallel with a gated feed-forward layer.

One linear layer computes the inputs of both.

Axes: T time, B batch, N = T x B frames, S tokens, E width, A heads, D head width, R pairs of its channels,
M width of the feed-forward layer after its gate.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from walrus.model.attention import attend
from walrus.model.norm import TokenNorm
from walrus.model.rotary import rotate_pairs
from walrus.model.settings import ModelSettings


class SpaceMixing(nn.Module):
    """The second half of a block (arXiv 2511.15684, section 3)."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.sections = [settings.mlp // 2] * 2 + [settings.hidden] * 3
        self.norm = TokenNorm(settings.hidden)
        self.fused = nn.Linear(settings.hidden, sum(self.sections))
        self.query_norm = nn.LayerNorm(settings.head_width)
        self.key_norm = nn.LayerNorm(settings.head_width)
        self.attention_out = nn.Linear(settings.hidden, settings.hidden, bias=False)
        self.mlp_out = nn.Linear(settings.mlp // 2, settings.hidden)

    def forward(self, x_TBSE: Tensor, phases_SR2: Tensor) -> Tensor:
        """[T, B, S, E] what the block adds to its input; `phases_SR2` are those of the rotary embedding."""
        content_TBSM, gate_TBSM, query, key, value = self.fused(self.norm(x_TBSE)).split(self.sections, -1)
        # The feed-forward layer is the widest: it comes first, before the attention needs memory. The
        # backward pass needs content and gate anyway, and recomputes the rest
        # (docs/decisions/0107-a-lean-forward-pass.md).
        fed_TBSE: Tensor = checkpoint(
            self._feed, content_TBSM, gate_TBSM, use_reentrant=False, preserve_rng_state=False
        )
        attended_NASD = attend(
            rotate_pairs(self.query_norm(self._heads(query)), phases_SR2),
            rotate_pairs(self.key_norm(self._heads(key)), phases_SR2),
            self._heads(value),
        )
        attended_TBSE: Tensor = self.attention_out(attended_NASD.transpose(1, 2).reshape(x_TBSE.shape))
        return attended_TBSE + fed_TBSE

    def _feed(self, content_TBSM: Tensor, gate_TBSM: Tensor) -> Tensor:
        fed_TBSE: Tensor = self.mlp_out(content_TBSM * functional.silu(gate_TBSM))
        return fed_TBSE

    def _heads(self, x_TBSE: Tensor) -> Tensor:
        """[N, A, S, D], the four axes that fused attention kernels accept."""
        return x_TBSE.reshape(-1, x_TBSE.shape[2], self.heads, x_TBSE.shape[3] // self.heads).transpose(1, 2)
