"""The report shows what the methods of a run have learned."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")


def section(out):
    """The part of the report about trainings; empty where there is none."""
    found = re.search(r'<section aria-labelledby="trainings">.*?</section>', (out / "report.html").read_text(), re.S)
    return found[0] if found else ""


def pictures(text):
    coded = re.findall(r'<img src="data:image/[a-z]+;base64,([^"]+)"', text)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_COLOR) for one in coded]


@pytest.fixture
def run(cli, rendered, tmp_path):
    """Run a tiny auto-encoder and a method that does not learn on two videos, trained on another."""
    small = {"width": 0.125, "geometry": 0.25, "loss": "l2", "epochs": 2, "threads": 1, "batch": 8}
    words = ("run", "dataset=folder", f"dataset.root={rendered}", "budget=2", "limit=2", f"trainings={tmp_path}/made")
    options = [f"trainer.autoencoder.{name}={value}" for name, value in small.items()]

    def call(*more, out="out"):
        status, _, err = cli(*words, *more, f"out={tmp_path / out}")
        assert (status, err.count("error")) == (0, 0)
        return tmp_path / out

    return lambda: call("split=kfold:2", "extractors=[uniform,autoencoder]", "seeds=[12345]", *options), call


def test_curves_reconstructions_and_losses_stand_in_the_report(run, tmp_path):
    with_split, plain = run
    out = with_split()
    text = section(out)
    curves, strip = pictures(text)
    assert curves.shape == (260, 800, 3) and strip.shape[1] > 600
    assert "<b>autoencoder" in text and "2 trainings, the pictures are of number 1" in text and "uniform" not in text
    assert len(re.findall(r"<tr><td>[12]</td><td>12345</td><td>2</td><td>[12]</td>", text)) == 2
    best = next((tmp_path / "made").glob("autoencoder*/best.safetensors"))
    given = plain("extractors=[autoencoder]", f"grid.autoencoder.checkpoint=[{best}]", out="given")
    assert len(pictures(section(given))) == 2, "a checkpoint that was given is shown as well"
    assert "<span>fold<" in text and "<span>fold<" not in section(given)
    for file in (out / "learned").iterdir():
        file.write_text('{"history": 3}')
    from keyframe_bench.report.outputs import write_outputs

    write_outputs(out)
    assert not section(out), "what cannot be used is left out"
    assert not section(plain("extractors=[uniform]", out="none"))
