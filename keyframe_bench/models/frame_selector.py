"""Frame Selector: which two of a clip's eight tokens in time a FrameMAE should keep (Fu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn

from ..core.errors import UsageError
from .frame_mae_weights import N_TOKENS, PAIRS

_PLACES = 4  # of a frame, over which features were pooled
_HIDDEN = 512  # of the MLP


class FrameSelector(nn.Module):
    """A classifier of the 28 pairs of tokens, in the order of `PAIRS`.

    Parameters
    ----------
    dim : int
        Of a token: 384 for FrameMAE's ``base``.
    arch : {"cnn", "mlp"}
        The authors' code has a CNN, section 3.2 of the paper an MLP.
    blocks : int
        Residual blocks of the CNN; layers of the MLP, the last one included.
    dropout : float
        After each convolution of a block, or each hidden layer.
    share_weights : bool
        Of the CNN: whether all convolutions in time are one, as in the authors' code.
    """

    def __init__(
        self,
        dim: int,
        *,
        arch: Literal["cnn", "mlp"] = "cnn",
        blocks: int = 3,
        dropout: float = 0.1,
        share_weights: bool = True,
    ) -> None:
        super().__init__()
        self.dim, self.arch, self.dropout = dim, arch, nn.Dropout(dropout)
        if arch == "cnn":
            self.norm = nn.BatchNorm2d(dim)
            self.places = nn.Conv2d(dim, dim, (3, _PLACES), padding=(1, 0))
            convolutions = [nn.Conv1d(dim, dim, 3, padding=1) for _ in range(1 if share_weights else 2 * blocks)]
            self.times = nn.ModuleList(convolutions)
            self.blocks = [[2 * i % len(convolutions), (2 * i + 1) % len(convolutions)] for i in range(blocks)]
            self.head = nn.Linear(dim * N_TOKENS, len(PAIRS))
        else:
            widths = [dim * N_TOKENS, *[_HIDDEN] * (blocks - 1)]
            self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
            self.head = nn.Linear(widths[-1], len(PAIRS))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, [B, 28], of what enters a FrameMAE's decoder, pooled to [B, dim, 8, 4]; else `UsageError`."""
        if tokens.ndim != 4 or tokens.shape[1:] != (self.dim, N_TOKENS, _PLACES):
            raise UsageError(
                f"a selector for tokens [B, {self.dim}, {N_TOKENS}, {_PLACES}] was given {list(tokens.shape)}: it "
                "belongs to a FrameMAE of another preset"
            )
        if self.arch == "mlp":
            x = tokens.amax(dim=3).flatten(1)  # [B, 8 dim]
            for layer in self.hidden:
                x = self.dropout(layer(x).relu())  # [B, 512]
            return self.head(x)  # type: ignore[no-any-return]  # [B, 28]; torch types no calls
        x = self.places(self.norm(tokens)).squeeze(3)  # [B, dim, 8]
        for first, second in self.blocks:
            y = self.dropout(self.times[first](x)).relu()  # [B, dim, 8]
            x = (x + self.dropout(self.times[second](y))).relu()  # [B, dim, 8]
        return self.head(x.flatten(1))  # type: ignore[no-any-return]  # [B, 28]; torch types no calls

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load what is its own of a checkpoint, which holds a FrameMAE as well."""
        own = {name: tensor for name, tensor in state_dict.items() if not name.startswith("frame_mae.")}
        return super().load_state_dict(own, strict, assign)
