"""FrameMAE: its sizes, its target and its arithmetic against plain loops, and weights of VideoMAE."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm", reason="needs keyframe_bench[networks]")
import torch

from keyframe_bench import UsageError
from keyframe_bench.models.frame_mae import FrameMAE, complement
from keyframe_bench.models.frame_mae_weights import PAIRS, PRESETS, Size, load_videomae
from keyframe_bench.models.frame_masks import draw_kept, pair_errors, pooled_input

SMALL = Size(side=16, patch=4, dim=12, depth=2, heads=3, decoder_dim=8, decoder_depth=1, decoder_heads=2)
N = SMALL.n_patches


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # steps are too small for two
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


def network(size: Size = SMALL, **options: Any) -> FrameMAE:
    torch.manual_seed(0)
    model = FrameMAE(size, **options).eval()
    for name, weight in model.named_parameters():  # biases and gains begin at 0 and 1, which would hide mistakes
        if weight.ndim == 1:
            weight.data += 0.1 * torch.randn_like(weight)
        assert name
    return model


def clips(n: int = 2, side: int = 16, seed: int = 0) -> Any:
    return torch.rand(n, 3, 16, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("preset", "n_params"), [("base", 94_210_944), ("small", 24_029_376), ("tiny", 564_144)])
def test_sizes_are_those_of_videomae(preset, n_params):
    with torch.device("meta"):
        model = FrameMAE(PRESETS[preset])
    assert sum(weight.numel() for weight in model.parameters()) == n_params == PRESETS[preset].n_params


def loop_patch(clip: np.ndarray, t: int, s: int, size: Size = SMALL) -> np.ndarray:
    """The numbers of a patch in the order frame, line, column, channel."""
    y, x = divmod(s, size.side // size.patch)
    frames, p = range(2), range(size.patch)
    return np.array(
        [
            clip[c, 2 * t + f, y * size.patch + i, x * size.patch + j]
            for f in frames
            for i in p
            for j in p
            for c in range(3)
        ]
    )


@pytest.mark.parametrize("floor", [0.0, 0.3])
def test_the_target_is_each_channel_of_a_patch_standardised(floor):
    model, shown = network(std_floor=floor), clips(1)
    found = model.target(model.patchify(shown))[0].numpy()
    for t, s in itertools.product(range(8), range(N)):
        patch = loop_patch(shown[0].numpy(), t, s)
        for c in range(3):
            values = [float(v) for v in patch[c::3]]
            mean = sum(values) / len(values)
            std = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
            np.testing.assert_allclose(found[t, s, c::3], (patch[c::3] - mean) / (max(std, floor) + 1e-6), atol=1e-4)
    plain = network(normalised=False)
    assert torch.equal(plain.target(plain.patchify(shown)), plain.patchify(shown))


def test_patches_and_pixels_come_back():
    model, shown = network(), clips()
    patches = model.patchify(shown)
    assert torch.equal(model.unpatchify(patches), shown)
    back = model.pixels(model.target(patches), *model.statistics(patches))
    torch.testing.assert_close(back, patches, atol=1e-5, rtol=0)


def loop_norm(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    z = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6)
    return z * w[f"{name}.weight"] + w[f"{name}.bias"]


def loop_blocks(x: np.ndarray, w: dict[str, np.ndarray], name: str, depth: int, heads: int) -> np.ndarray:
    """Transformer blocks on tokens [N, D], head by head and token by token."""
    width = x.shape[1] // heads
    for block in (f"{name}.blocks.{i}" for i in range(depth)):
        y = loop_norm(x, w, f"{block}.norm1")
        bias = np.concatenate([w[f"{block}.attn.q_bias"], np.zeros(x.shape[1]), w[f"{block}.attn.v_bias"]])
        query, key, value = np.split(y @ w[f"{block}.attn.qkv.weight"].T + bias, 3, axis=1)
        mixed = np.zeros_like(x)
        for head, token in itertools.product(range(heads), range(len(x))):
            part = slice(head * width, (head + 1) * width)
            weights = np.exp(key[:, part] @ query[token, part] / math.sqrt(width))
            mixed[token, part] = weights / weights.sum() @ value[:, part]
        x = x + mixed @ w[f"{block}.attn.proj.weight"].T + w[f"{block}.attn.proj.bias"]
        y = loop_norm(x, w, f"{block}.norm2") @ w[f"{block}.mlp.fc1.weight"].T + w[f"{block}.mlp.fc1.bias"]
        y = 0.5 * y * (1 + np.vectorize(math.erf)(y / math.sqrt(2)))
        x = x + y @ w[f"{block}.mlp.fc2.weight"].T + w[f"{block}.mlp.fc2.bias"]
    return loop_norm(x, w, f"{name}.norm")


def loop_position(place: int, dim: int) -> np.ndarray:
    angles = [place / 10000 ** (2 * (j // 2) / dim) for j in range(dim)]
    return np.array([math.cos(a) if j % 2 else math.sin(a) for j, a in enumerate(angles)])


def test_separable_positions_tell_frame_line_and_column():
    dim, side = SMALL.decoder_dim, SMALL.side // SMALL.patch
    found = network(positions="separable").decoder_positions
    for t, y, x in itertools.product(range(8), range(side), range(side)):
        parts = [loop_position(t, dim // 2), loop_position(y, dim // 4), loop_position(x, dim // 4)]
        np.testing.assert_allclose(found[t, y * side + x], np.concatenate(parts), atol=1e-6)


def loop_reconstruct(model: FrameMAE, clip: np.ndarray, kept: list[int]) -> np.ndarray:
    """Predictions of the masked tokens, [M, S, P], from the definition."""
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    masked = [t for t in range(8) if t not in kept]
    tokens = []
    for t, s in itertools.product(kept, range(N)):
        patch = (loop_patch(clip, t, s).reshape(2, SMALL.patch, SMALL.patch, 3) - mean) / std
        cube = patch.transpose(3, 0, 1, 2)  # as a convolution sees it: channel, frame, line, column
        token = [(kernel * cube).sum() for kernel in w["encoder.patch_embed.proj.weight"]]
        tokens.append(token + w["encoder.patch_embed.proj.bias"] + loop_position(t * N + s, SMALL.dim))
    seen = loop_blocks(np.array(tokens), w, "encoder", SMALL.depth, SMALL.heads) @ w["encoder_to_decoder.weight"].T
    places = [loop_position(t * N + s, SMALL.decoder_dim) for t, s in itertools.product([*kept, *masked], range(N))]
    hidden = np.repeat(w["mask_token"][0], len(masked) * N, axis=0)
    x = loop_blocks(np.concatenate([seen, hidden]) + places, w, "decoder", SMALL.decoder_depth, SMALL.decoder_heads)
    found = x[-len(masked) * N :] @ w["decoder.head.weight"].T + w["decoder.head.bias"]
    return found.reshape(len(masked), N, -1)


@pytest.mark.parametrize("kept", [[1, 6], [0, 2, 3, 5, 7]])
def test_a_masked_pass_is_what_plain_loops_say(kept):
    model, shown = network(), clips(1)
    expected = loop_reconstruct(model, shown[0].double().numpy(), kept)
    found = model.reconstruct(shown, torch.tensor([kept]))[0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    masked = [t for t in range(8) if t not in kept]
    target = model.target(model.patchify(shown))[0, masked].numpy()
    np.testing.assert_allclose(
        float(model(shown, torch.tensor([kept]))[0]), ((expected - target) ** 2).mean(), rtol=1e-5
    )


def test_encoding_visible_tokens_is_dense_attention_that_sees_no_others():
    model, shown = network(), clips()
    kept = torch.tensor([[0, 3, 4], [2, 5, 7]])
    tokens = model.tokens(shown)
    x, allowed = tokens.flatten(1, 2), torch.zeros(2, 8, N, dtype=torch.bool)
    for row, places in zip(allowed, kept, strict=True):
        row[places] = True
    mask = torch.where(allowed.view(2, 1, 1, -1), 0.0, -1e9)
    for block in model.encoder.blocks:
        x = block(x, shared_rel_pos_bias=mask)
    dense = model.encoder.norm(x).view(2, 8, N, -1)
    found = model.encode(tokens, kept)
    for row, (places, features) in enumerate(zip(kept, found, strict=True)):
        torch.testing.assert_close(features, dense[row, places], atol=1e-5, rtol=1e-4)


def test_masked_frames_do_not_enter_and_clips_do_not_mix():
    model, shown = network(), clips()
    kept = torch.tensor([[1, 4, 6], [0, 2, 7]])
    assert complement(kept).tolist() == [[0, 2, 3, 5, 7], [1, 3, 4, 5, 6]]
    other = shown.clone()
    other[0, :, 4:6] = 0  # token 2, which is masked in the first clip
    first, second = (model.reconstruct(x, kept) for x in (shown, other))
    assert torch.equal(first, second)
    alone = model.reconstruct(shown[1:], kept[1:])
    torch.testing.assert_close(alone[0], first[1], atol=1e-5, rtol=1e-5)


def test_masks_hide_as_many_tokens_of_every_clip_and_all_tokens_alike():
    rng = np.random.default_rng(0)
    for n_masked in (3, 6):
        kept = draw_kept(4000, n_masked, rng)
        assert kept.shape == (4000, 8 - n_masked) and (np.diff(kept) > 0).all()
        shares = np.bincount(kept.ravel(), minlength=8) / 4000
        np.testing.assert_allclose(shares, 1 - n_masked / 8, atol=0.04)
    widths = {draw_kept(1, "uniform", rng).shape[1] for _ in range(100)}
    assert widths == {2, 3, 4, 5}


@pytest.mark.parametrize("errors", ["masked_only", "all_frames"])
def test_all_28_choices_at_once_are_28_single_passes(errors):
    model, shown = network(), clips(3)
    found = pair_errors(model, shown, errors)
    assert found.shape == (3, 28) and PAIRS[0] == (0, 1) and PAIRS[27] == (6, 7)
    goal = model.target(model.patchify(shown))
    for number, pair in enumerate(PAIRS):
        for i in range(3):
            kept = torch.tensor([pair])
            single = model(shown[i : i + 1], kept)[0]
            if errors == "all_frames":
                features = model.encode(model.tokens(shown[i : i + 1]), kept)
                single = (model.decode(features, kept, all_frames=True)[0] - goal[i]).square().mean()
            torch.testing.assert_close(found[i, number], single, atol=1e-5, rtol=1e-5)


def test_a_selector_reads_the_maximum_of_four_bands_of_a_frame():
    model, shown = network(), clips()
    tokens = model.tokens(shown)
    features = model.encoder(tokens.flatten(1, 2)) @ model.encoder_to_decoder.weight.T
    features = features.view(2, 8, N, -1) + model.decoder_positions  # [B, T, S, d]
    assert torch.equal(model.decoder_input(shown), features)
    found = pooled_input(model, shown)
    assert found.shape == (2, SMALL.decoder_dim, 8, 4)
    for band in range(4):
        expected = features[:, :, band * N // 4 : (band + 1) * N // 4].amax(dim=2).transpose(1, 2)
        assert torch.equal(found[..., band], expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (torch.rand(1, 3, 12, 16, 16), "repeat the last frame"),
        (torch.rand(1, 3, 16, 15, 17), r"\[1, 3, 16, 15, 17\]"),
        (torch.zeros(1, 3, 16, 16, 16, dtype=torch.uint8), "float"),
        (torch.full((1, 3, 16, 16, 16), torch.nan), "finite"),
    ],
)
def test_wrong_clips_are_refused_in_words(wrong, said):
    model, kept = network(), torch.tensor([[0, 1]])
    calls = (
        lambda: model.reconstruct(wrong, kept),
        lambda: pair_errors(model, wrong),
        lambda: model.decoder_input(wrong),
    )
    for call in calls:
        with pytest.raises(UsageError, match=said):
            call()


@pytest.mark.slow
def test_the_best_pair_lies_on_both_sides_of_a_cut():
    """In a clip of two flat colours a trained network needs one frame of either; 1 of 2 pairs has one."""
    size = Size(side=8, patch=8, dim=32, depth=2, heads=2, decoder_dim=32, decoder_depth=2, decoder_heads=2)
    rng, model, n_steps = np.random.default_rng(0), FrameMAE(size, normalised=False), 600

    def cut(n: int) -> tuple[Any, np.ndarray]:
        tokens, (first, second) = rng.integers(2, 7, n), rng.random((2, n, 3, 1))
        colours = np.where(np.arange(16) < 2 * tokens[:, None, None], first, second)  # [n, 3, 16]
        return torch.tensor(colours[..., None, None].repeat(8, 3).repeat(8, 4), dtype=torch.float32), tokens

    descent = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.95))
    rates = torch.optim.lr_scheduler.OneCycleLR(descent, 5e-3, total_steps=n_steps, pct_start=0.1)
    with torch.enable_grad():
        for _ in range(n_steps):
            loss = model(cut(16)[0], torch.from_numpy(draw_kept(16, 6, rng))).mean()
            descent.zero_grad()
            loss.backward()
            descent.step()
            rates.step()
    shown, tokens = cut(100)
    best = np.array(PAIRS)[pair_errors(model.eval(), shown).argmin(dim=1)]
    assert ((best[:, 0] < tokens) & (tokens <= best[:, 1])).mean() > 0.75


# Names and shapes of the authors' pre-training checkpoint, with D the width and H the numbers of the MLP
_BLOCK = {
    **{"norm1.weight": "D", "norm1.bias": "D", "norm2.weight": "D", "norm2.bias": "D"},
    **{"attn.q_bias": "D", "attn.v_bias": "D", "attn.qkv.weight": "3D D", "attn.proj.weight": "D D"},
    **{
        "attn.proj.bias": "D",
        "mlp.fc1.weight": "H D",
        "mlp.fc1.bias": "H",
        "mlp.fc2.weight": "D H",
        "mlp.fc2.bias": "D",
    },
}


def videomae_file(path: Path, dim: int, decoder_dim: int) -> Path:
    from safetensors.torch import save_file

    shapes: dict[str, tuple[int, ...]] = {"mask_token": (1, 1, decoder_dim)}
    shapes |= {"encoder.patch_embed.proj.weight": (dim, 3, 2, 16, 16), "encoder.patch_embed.proj.bias": (dim,)}
    for part, width, depth in (("encoder", dim, 12), ("decoder", decoder_dim, 4)):
        sizes = {"D": width, "3D": 3 * width, "H": 4 * width}
        for i, (name, shape) in itertools.product(range(depth), _BLOCK.items()):
            shapes[f"{part}.blocks.{i}.{name}"] = tuple(sizes[word] for word in shape.split())
        shapes |= {f"{part}.norm.weight": (width,), f"{part}.norm.bias": (width,)}
    shapes |= {"encoder_to_decoder.weight": (decoder_dim, dim)}
    shapes |= {"decoder.head.weight": (1536, decoder_dim), "decoder.head.bias": (1536,)}
    rng = torch.Generator().manual_seed(1)
    save_file({name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}, path)
    return path


def as_in_transformers(tensors: dict[str, Any]) -> dict[str, Any]:
    """The same under the names of Hugging Face's VideoMAEForPreTraining."""
    found = {}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".blocks.")
        block, _, part = rest.partition(".")
        if not rest:
            patches = name.replace("encoder.patch_embed.proj", "videomae.embeddings.patch_embeddings.projection")
            found[patches.replace("encoder.norm", "videomae.layernorm")] = tensor
            continue
        layer = f"videomae.encoder.layer.{block}." if head == "encoder" else f"decoder.decoder_layers.{block}."
        if part == "attn.qkv.weight":
            for which, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"{layer}attention.attention.{which}.weight"] = third.contiguous()
            continue
        inside = {"attn.proj": "attention.output.dense", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
        inside |= {"norm1": "layernorm_before", "norm2": "layernorm_after", "attn": "attention.attention"}
        module, _, kind = part.rpartition(".")
        found[f"{layer}{inside[module]}.{kind}"] = tensor
    return found


def test_weights_of_videomae_are_loaded_and_those_of_another_size_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    file = videomae_file(tmp_path / "small.safetensors", 384, 192)
    model = FrameMAE(PRESETS["small"])
    load_videomae(model, file, "small")
    tensors = load_file(file)
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(value, tensors[name]) for name, value in model.state_dict().items())
    with pytest.raises(UsageError, match="does not fit preset=tiny"):
        load_videomae(FrameMAE(PRESETS["tiny"]), file, "tiny")
    save_file(as_in_transformers(tensors), tmp_path / "hub.safetensors")
    other = FrameMAE(PRESETS["small"])
    load_videomae(other, tmp_path / "hub.safetensors", "small")
    assert all(torch.equal(value, tensors[name]) for name, value in other.state_dict().items())
    torch.save({"model": tensors}, tmp_path / "small.pth")
    with pytest.raises(UsageError, match="pickled"):
        load_videomae(model, tmp_path / "small.pth", "small")
