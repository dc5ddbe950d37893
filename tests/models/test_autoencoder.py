"""The layer table against the numbers of the paper and against the torch module made from it."""

from __future__ import annotations

import pytest
import torch

from keyframe_bench.core.errors import UsageError
from keyframe_bench.models.autoencoder import EncoderDecoder
from keyframe_bench.models.base import Network
from keyframe_bench.models.contract import checked_counts
from keyframe_bench.models.networks import ConvolutionalNetwork

build = ConvolutionalNetwork.build

# Name: encoder and all parameters, encoder and all multiply-accumulates in millions, input, code, compression.
TABLE = {
    "ae_test_01": (48_088, 96_163, 134.48, 268.96, (192, 384), (8, 24, 48), 24),
    "ae_test_02": (3_944, 7_875, 41.36, 82.72, (192, 384), (8, 24, 48), 24),
    "p1_1": (165_824, 331_395, 1321.21, 2642.41, (384, 768), (128, 48, 96), 1.5),
    "p1_2": (165_152, 330_051, 1271.66, 2543.32, (192, 384), (128, 48, 96), 0.375),
    "p1_3": (150_816, 301_379, 959.64, 1919.29, (96, 192), (128, 48, 96), 0.094),
    "p1_4": (47_328, 94_403, 216.32, 432.64, (48, 96), (128, 48, 96), 0.023),
    "p2_1": (290_224, 580_435, 1113.00, 2226.00, (96, 192), (8, 12, 24), 24),
    "p2_2": (318_960, 637_907, 1120.37, 2240.74, (96, 192), (8, 6, 12), 96),
    "p2_3": (335_408, 670_803, 1121.33, 2242.66, (96, 192), (8, 3, 6), 384),
    "ae_final": (290_224, 580_435, 1113.00, 2226.00, (96, 192), (8, 12, 24), 24),
}
LAYERS = {
    "ae_test_01": "3*3 conv-8, 192*384; 4*4 conv-16, 96*192; 4*4 conv-32, 48*96; 4*4 conv-64, 24*48; 3*3 conv-8, 24*48",
    "p1_1": "4*4 conv-32, 192*384; 4*4 conv-64, 96*192; 4*4 conv-128, 48*96",
    "p1_4": "3*3 conv-32, 48*96; 3*3 conv-32, 48*96; 3*3 conv-128, 48*96",
    "p2_3": "3*3 conv-32, 96*192; 3*3 conv-64, 96*192; 4*4 conv-128, 48*96; 4*4 conv-64, 24*48; 4*4 conv-32, 12*24; "
    "4*4 conv-32, 6*12; 4*4 conv-8, 3*6",
}
VARIANTS = [
    build("ae_final", {"width": 0.25, "geometry": 0.5}),
    build("p1_3", {"width": 0.25}),
    build("ae_final", {"up": "nearest_conv", "width": 0.5}),
    build("p1_1", {"up": "nearest_conv", "width": 0.1}),
    build("p1_4", {"p1_4_l2": 64, "width": 0.5}),
    build("p2_3", {"code_act": "relu", "width": 0.1, "geometry": 2}),
]


def described(network: ConvolutionalNetwork) -> str:
    return f"{network.name} {network.params}"


def test_every_network_of_the_paper_is_in_the_table() -> None:
    assert set(Network.registry.names()) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_counts_are_those_of_the_protocols(name: str) -> None:
    encoder, total, encoder_mmac, total_mmac, size, code, compression = TABLE[name]
    network = build(name)
    assert (network.encoder_params, network.total_params) == (encoder, total)
    assert (round(network.encoder_macs / 1e6, 2), round(network.total_macs / 1e6, 2)) == (encoder_mmac, total_mmac)
    assert (network.input_height, network.input_width) == size
    assert network.code_shape == code
    assert network.compression == pytest.approx(compression, abs=5e-4)


def test_layers_of_ae_final_and_the_second_layer_of_p1_4() -> None:
    layers = build("ae_final").layers
    assert [layer.params for layer in layers] == [928, 18_560, 131_328, 131_200, 8_208]
    assert [layer.stride for layer in layers] == [1, 1, 2, 2, 2]
    assert layers == build("p2_1").layers
    assert build("p1_4", {"p1_4_l2": 64}).total_params == 186_691
    assert build("p1_3", {"p1_4_l2": 64}).layers == build("p1_3").layers


@pytest.mark.parametrize("name", LAYERS)
def test_layers_read_as_the_paper_prints_them(name: str) -> None:
    assert "; ".join(map(str, build(name).layers)) == LAYERS[name]


@pytest.mark.parametrize("network", [*map(build, TABLE), *VARIANTS], ids=described)
def test_the_torch_module_is_what_the_table_says(network: ConvolutionalNetwork) -> None:
    assert checked_counts(network) == (network.total_params, network.total_macs)  # by torch's own counter


@pytest.mark.parametrize(
    ("name", "width", "channels"),
    [("ae_final", 0.25, [8, 16, 32, 16, 8]), ("p1_3", 0.25, [8, 16, 32]), ("ae_test_02", 0.01, [1, 1, 1, 1, 8])],
)
def test_width_leaves_the_bottleneck_alone_and_geometry_scales(name: str, width: float, channels: list[int]) -> None:
    assert [layer.outputs for layer in build(name, {"width": width}).layers] == channels
    half, whole = build(name, {"geometry": 0.5}), build(name)
    assert (half.input_height, half.input_width) == (whole.input_height // 2, whole.input_width // 2)
    assert half.code_shape == (whole.code_shape[0], *(side // 2 for side in whole.code_shape[1:]))
    assert half.compression == whole.compression


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("ae_fina", {}, "did you mean ae_final"),
        ("ae_final", {"widht": 1}, "did you mean width"),
        ("ae_final", {"width": 0}, "width=0"),
        ("p1_4", {"p1_4_l2": 48}, "32, 64"),
        ("ae_final", {"geometry": 0.3}, "geometry=0.3 makes layer 3 halve 29 x 58 pixels; .* such as 1 or 0.3333"),
        ("p2_3", {"geometry": 0.5}, "geometry=0.5 makes layer 7 halve 3 x 6 pixels; .* such as 1 or 0.6667"),
        ("p2_3", {"geometry": 0.05}, "geometry=0.05 makes layer 3 halve 5 x 10 pixels; .* such as 1 or 0.3333"),
    ],
)
def test_what_there_is_not_is_said_in_a_sentence(name: str, params: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(name, params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("up", ["tconv", "nearest_conv"])
@pytest.mark.parametrize("code_act", ["none", "relu"])
def test_ranges_of_code_and_output_and_every_weight_has_a_gradient(up: str, code_act: str) -> None:
    torch.manual_seed(0)  # in training mode: batch normalisation centres the code
    model = EncoderDecoder(build("ae_final", {"width": 0.1, "geometry": 0.25, "up": up, "code_act": code_act}))
    images = torch.rand(2, 3, 24, 48)
    codes, output = model.encode(images), model(images)
    assert codes.min() == 0 if code_act == "relu" else codes.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert output.shape == images.shape and output.min() > 0 and output.max() < 1
    output.square().mean().backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters())
    assert [name for name, _ in model.decoder[4].named_parameters() if name.endswith("bias")] == ["0.bias"]


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("geometry", [0.05, 0.3, 0.5, 0.9, 1.7])
def test_the_geometry_that_is_proposed_is_one(name: str, geometry: float) -> None:
    try:
        build(name, {"geometry": geometry})
    except UsageError as error:
        proposed = float(str(error).rpartition(" ")[2])
        scale = build(name, {"geometry": proposed}).input_height / build(name).input_height
        assert scale == pytest.approx(proposed, abs=1e-3)
