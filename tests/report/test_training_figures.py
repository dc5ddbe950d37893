"""Figures of trainings are drawn from results alone."""

from __future__ import annotations

import base64

import cv2
import keyframe_bench.experiments.chen2021.figures  # noqa: F401 - registers
import numpy as np
import pytest
from keyframe_bench.experiments.chen2021.network_diagram import network_diagram_png

from keyframe_bench.core.errors import UsageError
from keyframe_bench.features.images import Rgb
from keyframe_bench.models.base import Network
from keyframe_bench.models.networks import ConvolutionalNetwork
from keyframe_bench.report.drawing import decoded, encoded_frames
from keyframe_bench.tables.figure import Figure
from keyframe_bench.video.onepass import read_pass

RED, BLUE = (200, 20, 20), (20, 20, 200)


def figure_png(name, records, **settings):
    """The image that a table with ``draw: NAME`` has."""
    return Figure.registry.build(name).draw(records, settings)


def stored(colour, height=24, width=48):
    """An image of one colour (RGB) as results hold it."""
    picture = np.full((height, width, 3), colour[::-1], dtype=np.uint8)
    return base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode("ascii")


def drawn(png):
    """The drawing as uint8 [H, W, 3], RGB."""
    assert png is not None
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def share(picture, colour, tolerance=12):
    return float((np.abs(picture - np.array(colour)) <= tolerance).all(axis=-1).mean())


def test_curves_of_methods_against_the_number_of_key_frames():
    about = {"status": "ok", "dataset": "d", "video": "v", "video_sha256": "s", "sampling": "2fps", "finished": "t"}
    lines = {"uniform": (0.2, 0.5), "mine": (0.4, 0.9), "human": (0.8, None)}
    cells = [
        {"key": f"{name} {k}", "extractor": name, "budget": str(k), "k": k, "metrics": {"f": y, "top": 1.0}, **about}
        for name, ys in lines.items()
        for k, y in zip((2, 8), ys, strict=True)
    ]
    picture = drawn(figure_png("budget_curves", cells, metric="f", bound="top"))
    assert share(picture, (31, 78, 121)) > 0.0005  # the method's line
    assert share(picture, (209, 105, 28)) == 0  # there is no second
    assert figure_png("budget_curves", [one for one in cells if one["k"] == 2], metric="f") is None
    with pytest.raises(UsageError, match="metric"):
        Figure.registry.build("budget_curves").check({"draw": "budget_curves"}, "table mine: figure")


def test_frames_are_stored_as_small_images_in_order(video):
    feature = Rgb(height=24, width=32)
    read = read_pass(video, {"every": [feature]})
    pictures = [decoded(text) for text in encoded_frames(video, [2, 20], read, 32)]
    assert [picture.shape for picture in pictures] == [(24, 32, 3)] * 2
    wanted = read.clip("every", [feature])[feature][[2, 20]]
    apart = [np.abs(np.subtract(one, other, dtype=float)).mean() for one in pictures for other in wanted]
    assert max(apart[0], apart[3]) < min(apart[1], apart[2]) / 4  # what JPEG changes, against another scene


def test_reconstructions_stand_beside_their_inputs():
    outputs = {"a": (BLUE, {"psnr": 20.5}), "b": (RED, {})}
    pictures = {run: {"input": [stored(RED)] * 2, "output": [stored(c)] * 2} for run, (c, _) in outputs.items()}
    records = [{"label": run, "pictures": pictures[run], "metrics": m} for run, (_, m) in outputs.items()]
    panels = [{"run": "a", "name": "first"}, {"run": "b", "name": "second"}, {"run": "c", "name": "absent"}]
    picture = drawn(figure_png("chen2021/reconstructions", records, panels=panels))
    red, blue = share(picture, RED), share(picture, BLUE)
    assert red == pytest.approx(2 * blue, rel=0.05)  # input and the second panel, against the first
    assert blue > 0.1
    left = np.flatnonzero((np.abs(picture - np.array(BLUE)) <= 12).all(axis=-1).any(axis=0))
    assert picture.shape[1] / 4 < left.min() < left.max() < 3 * picture.shape[1] / 4  # the middle panel


def test_without_pictures_there_is_no_figure_and_a_damaged_one_is_one_sentence():
    records = [{"label": "a", "metrics": {"psnr": 20.5}, "history": []}]
    panels = [{"run": "a", "name": "first"}]
    assert figure_png("chen2021/reconstructions", records, panels=panels) is None
    assert figure_png("convergence", records, panels=panels) is None
    assert figure_png("chen2021/key_clips", records) is None
    records = [{"label": "a", "pictures": {"input": ["AAAA"], "output": ["AAAA"]}}]
    with pytest.raises(UsageError, match="an image in these results is damaged"):
        figure_png("chen2021/reconstructions", records, panels=[{"run": "a", "name": "first"}])


def history(start, factor, n=6):
    rows = ({"epoch": e, "train_loss": start * factor**e, "validation_loss": 2 * start * factor**e} for e in range(n))
    return list(rows)


def test_curves_of_both_runs_are_drawn():
    records = [
        {"label": run, "history": history(s, f)} for run, f in (("a", 0.7), ("b", 0.9)) for s in (0.1, 0.12, 0.09)
    ]
    panels = [{"run": "a", "name": "x"}, {"run": "b", "name": "y"}]
    both = drawn(figure_png("convergence", records, panels=panels))
    one = drawn(figure_png("convergence", records, panels=panels[:1]))
    first, second = (31, 78, 121), (209, 105, 28)
    assert min(share(both, first), share(both, second)) > 0.001
    assert share(one, second) == 0
    # A curve that is shorter, or has gaps, is drawn too.
    torn = [*history(0.1, 0.8)[:3], {"epoch": 3, "train_loss": None, "validation_loss": 0.0}]
    records = [{"label": "a", "history": history(0.1, 0.8)}, {"label": "a", "history": torn}]
    assert figure_png("convergence", records, panels=[{"run": "a", "name": "x"}]) is not None


def timeline(n_keyframes):
    times = np.arange(100) / 10
    return {
        "times": times.tolist(),
        "distances": (0.02 + 0.02 * np.sin(times)).tolist(),
        "threshold": 0.03,
        "keyframes": times[:n_keyframes].tolist(),
        "clips": [[1.0, 4.0], [6.0, 7.0]],
        "events": [[1.5, 3.0]],
        "duration_s": 10.0,
    }


@pytest.mark.parametrize("n", [0, 1, 6, 7])
def test_key_frames_lie_above_their_time_line(n):
    shown = {"keyframes": [stored(RED, 36, 64)] * n, "times": list(range(n))}
    record = {"timeline": timeline(n), "pictures": shown, "source": "cam a.mp4"}
    picture = drawn(figure_png("chen2021/key_clips", [record]))
    assert (share(picture, RED) > 0) == (n > 0)
    assert share(picture, (209, 105, 28)) > 0  # the event
    bare = drawn(figure_png("chen2021/key_clips", [{"timeline": timeline(n)}]))  # small files keep no images
    assert share(bare, RED) == 0


@pytest.mark.parametrize("name", Network.registry.names())
@pytest.mark.parametrize("up", ["tconv", "nearest_conv"])
def test_every_network_can_be_drawn(name, up):
    picture = drawn(network_diagram_png(ConvolutionalNetwork.build(name, {"up": up})))
    assert picture.shape[1] > 2 * picture.shape[0]
    assert share(picture, (246, 200, 154), 3) > 0  # the code
