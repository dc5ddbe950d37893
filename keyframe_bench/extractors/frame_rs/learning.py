"""Training of a key-frame selector on the pairs that a FrameMAE reconstructs best, and how it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...core.checkpoint import Checkpoint, checkpoint_id, read_checkpoint
from ...core.errors import UsageError
from ...core.files import canonical_json
from ...models.frame_mae_weights import METHOD, N_FRAMES, PAIRS, embedded
from ...models.frame_selector import FrameSelector
from ...training.batches import RowBatches
from ...training.clips import Clips, Rows
from ...training.fit_module import fit_module
from ...training.module import LossModule
from ...training.session import Batches, Session
from .options import EMBEDDED, FrameRsOptions

_ROWS = 256  # windows that are classified together


class WindowBatch(NamedTuple):
    """Windows of one step."""

    rows: Tensor  # float32 [B, dim, 8, 4]
    labels: Tensor  # int64 [B], places of the best pair in `PAIRS`
    indices: NDArray[np.int64]  # [B], their places among all windows


class Windows(NamedTuple):
    """All windows of some clips, in memory: 49 kB each where the FrameMAE is ``base``, 6 kB where it is ``tiny``."""

    rows: Rows  # float32 [W, dim, 8, 4]
    errors: NDArray[np.float32]  # [W, 28]


def windows_of(clips: Clips, features: list[str], part: str) -> Windows:
    """Return the windows of ``clips``; ``features``: keys of their errors and of what a selector reads.

    Raises `UsageError` if there are none, or they are of another FrameMAE.
    """
    found = []
    for clip in clips:
        if any(key not in clip.columns for key in features):
            known = ", ".join(clip.columns) or "none"
            raise UsageError(
                f"the selector belongs to labels {features[0]}, and the clips have {known}: those of another FrameMAE; "
                "train a selector on them, with its trainer.frame_mae"
            )
        found.append([clip.columns[key] for key in features])
    errors, tokens = (np.concatenate(rows) for rows in zip(*found, strict=True))  # [W, 28], [W, dim, 8, 4]
    if not len(errors):
        raise UsageError(
            f"the {part} part has no whole window of {N_FRAMES} sampled frames; give longer videos, or split whole "
            "videos (split=videos:0.8), without a limit of frames"
        )
    places = np.stack([np.zeros(len(errors), np.int64), np.arange(len(errors))], axis=1)  # of one array
    return Windows(Rows(lambda _: tokens, places), errors)


class WindowBatches(RowBatches):
    """Batches of an epoch, with the best pair of every window."""

    def __init__(self, windows: Windows, batch: int, *, seed: int | None = None) -> None:
        super().__init__(windows.rows, batch, seed=seed)
        self.labels = windows.errors.argmin(axis=1)

    def __iter__(self) -> Iterator[WindowBatch]:  # type: ignore[override]  # its own kind of batch
        for rows, _, indices in super().__iter__():
            yield WindowBatch(rows.float(), torch.from_numpy(self.labels[indices]), indices)


class SelectorModule(LossModule):
    """Trains a selector by the cross-entropy of the best pair."""

    options: FrameRsOptions

    def loss_of(self, batch: WindowBatch) -> Tensor:
        """Return the mean loss of a batch, a scalar."""
        logits = self.model(batch.rows)  # [B, 28]
        if self.training:  # what the authors' code counts: while it learns, with dropout
            found = logits.detach().argsort(dim=1, descending=True) == batch.labels[:, None]  # [B, 28]
            for n in (1, 5):
                self.noted[f"step_top{n}"].add(float(found[:, :n].any(dim=1).float().mean()), len(found))
        return nn.functional.cross_entropy(logits.float(), batch.labels)

    def configure_optimizers(self) -> Any:
        """Return stochastic gradient descent with a constant learning rate."""
        return torch.optim.SGD(self.parameters(), lr=self.options.lr, momentum=self.options.momentum)


def fit_frame_rs(train: Clips, validation: Clips, session: Session) -> Checkpoint:
    """Return the trained selector and the FrameMAE that it was trained for; see `Trainable.fit`."""
    options = cast(FrameRsOptions, session.options)
    features = list(session.about["features"])
    shown, held = windows_of(train, features, "training"), windows_of(validation, features, "validation")
    first = read_checkpoint(options.frame_mae, METHOD, "trainer.frame_mae")
    tensors, told = embedded(first)
    seen = {canonical_json(one): one for one in [*first.record["trained_on"], *session.about["trained_on"]]}
    own = {**session.about["options"], "frame_mae": EMBEDDED}
    session.about = {**session.about, "options": own, "trained_on": list(seen.values())}
    counts = np.bincount(shown.errors.argmin(axis=1), minlength=len(PAIRS))

    def finished(model: nn.Module) -> dict[str, Any]:
        found = judged(probabilities(cast(FrameSelector, model), shown.rows), shown.errors)
        return {"frame_mae": told, "pair_counts": counts.tolist(), "train": found}

    made = fit_module(
        lambda: SelectorModule(selector_of(options, shown.rows.shape[1]), options),
        Batches(
            train=WindowBatches(shown, options.batch, seed=session.seed),
            validation=WindowBatches(held, options.batch),
            seen=WindowBatches(shown, options.batch),
        ),
        session,
        threads=options.threads,
        finish=finished,
    )
    assert session.last is not None
    session.last = Checkpoint({**session.last.tensors, **tensors}, session.last.record)
    return Checkpoint({**made.tensors, **tensors}, made.record)


def selector_of(options: FrameRsOptions, dim: int) -> FrameSelector:
    """Return a selector with initial weights, for tokens of ``dim`` numbers."""
    return FrameSelector(
        dim, arch=options.arch, blocks=options.blocks, dropout=options.dropout, share_weights=options.share_weights
    )


def network_of(checkpoint: Checkpoint) -> FrameSelector:
    """Return the selector of a checkpoint, in evaluation mode on the CPU."""
    dim = len(checkpoint.tensors["frame_mae.mask_token"].reshape(-1))
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and overwritten
        network = selector_of(FrameRsOptions.build(checkpoint.record["options"]), dim)
    network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in checkpoint.tensors.items()})
    return network.eval()


def load_selector(checkpoint: str) -> FrameSelector:
    """Return the selector of a checkpoint's file; a process keeps the two used last."""
    return _load(checkpoint, checkpoint_id(checkpoint, "frame_rs"))


@lru_cache(maxsize=2)
def _load(checkpoint: str, identity: str) -> FrameSelector:  # noqa: ARG001 - a changed file is loaded again
    return network_of(read_checkpoint(checkpoint, "frame_rs"))


def probabilities(network: FrameSelector, tokens: Rows | NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probability of every pair to be the best of its window, float32 [W, 28], of tokens [W, dim, 8, 4]."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [torch.tensor(tokens[i : i + _ROWS]).to(device).float() for i in range(0, len(tokens), _ROWS)]
        found = torch.cat([network(part).softmax(dim=1) for part in parts])  # [W, 28]
    return np.asarray(found.cpu().numpy())


def regrets(errors: NDArray[np.floating[Any]], chosen: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the regret of every window, float64 [W], of the errors of all pairs [W, 28] and the ``chosen`` ones [W].

    The error of the chosen pair less that of the best, over the mean error of all pairs less that of the best: 0 for
    the oracle, 1 for a pair drawn at random. Windows in which all pairs are equal count as 0.
    """
    exact = errors.astype(np.float64)
    best = exact.min(axis=1)  # [W]
    lost, spread = exact[np.arange(len(exact)), chosen] - best, exact.mean(axis=1) - best  # [W]
    found: NDArray[np.float64] = np.divide(lost, spread, out=np.zeros_like(lost), where=spread > 0)
    return found


def judged(scores: NDArray[np.floating[Any]], errors: NDArray[np.float32]) -> dict[str, float]:
    """Return ``top1``, ``top5`` and ``regret`` (`regrets`) of scores of the pairs, [W, 28] or for all windows [28]."""
    order = np.argsort(-np.broadcast_to(scores, errors.shape), axis=1, kind="stable")  # [W, 28]
    hits = order == errors.argmin(axis=1)[:, None]  # [W, 28]
    return {
        "top1": float(hits[:, 0].mean()),
        "top5": float(hits[:, :5].any(axis=1).mean()),
        "regret": float(regrets(errors, order[:, 0]).mean()),
    }


def evaluate(checkpoint: Checkpoint, clips: Clips) -> dict[str, float]:
    """Return the numbers of `FrameRs` on ``clips``, those of the training from the checkpoint."""
    windows, numbers = windows_of(clips, checkpoint.record["features"], "evaluated"), checkpoint.numbers
    found = probabilities(network_of(checkpoint), windows.rows)  # [W, 28]
    best = found[np.arange(len(found)), windows.errors.argmin(axis=1)]
    others: Mapping[str, NDArray[np.float64]] = {
        "majority": np.array(numbers["pair_counts"], dtype=np.float64),
        **{
            f"pair_{a}_{b}": np.array([pair == (a, b) for pair in PAIRS], dtype=np.float64) for a, b in ((2, 5), (1, 6))
        },
    }
    told = judged(found, windows.errors)
    told["cross_entropy"] = float(-np.log(np.maximum(best, 1e-30)).mean())
    told["windows"] = float(len(found))
    told |= {f"train_{name}": float(value) for name, value in numbers["train"].items()}
    for which, scores in others.items():
        constant = judged(scores, windows.errors)
        told |= {f"{which}_{name}": constant[name] for name in constant if name != "top5" or which == "majority"}
    return told
