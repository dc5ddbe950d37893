"""Weights & Biases: what was logged is read back from the file of an offline run, which is what would be sent."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs keyframe_bench[training]")
pytest.importorskip("wandb", reason="needs wandb")

SMALL = ("trainer.width=0.125", "trainer.geometry=0.25", "trainer.loss=l2", "trainer=smoke", "trainer.threads=1")
ROWS = {"pixel_distance": "", "random": ", first of 100 draws", "uniform": ""}
BLOCK = 32768  # of LevelDB's log format, in which W&B keeps records


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An empty home, so without a key."""
    for name in ("API_KEY", "CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "ERROR_REPORTING"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def records(folder):
    """The records of the only run of W&B in a folder, once its process has written the last one."""
    (file,) = folder.glob("wandb/*run-*/*.wandb")
    for _ in range(300):
        found = list(parsed(file.read_bytes()))
        if found and found[-1].HasField("exit"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{file} does not end")


def parsed(data):
    """The records of a file, up to the first that is not all there."""
    from wandb.proto.wandb_internal_pb2 import Record

    place, parts = 7, b""  # seven bytes say what file it is
    while place < len(data):
        if BLOCK - place % BLOCK < 7:  # too little room for a head
            place += BLOCK - place % BLOCK
            continue
        if place + 7 > len(data):
            return
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        if place + 7 + length > len(data):
            return
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record, parts = Record.FromString(parts), b""
            yield record


def read(folder):
    """History (a mapping a step), name of the run, and artifacts: type to the names of their files.

    Everything lies in the folder, nothing in the home, and the environment is what it was.
    """
    assert not list((folder.parent / "home").glob("**/wandb"))
    assert not {"WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ERROR_REPORTING"} & os.environ.keys()
    found = records(folder)
    history = [{"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in r.history.item} for r in found]
    artifacts = [r.artifact if r.HasField("artifact") else r.request.log_artifact.artifact for r in found]
    kept = [Path(entry.local_path) for artifact in artifacts for entry in artifact.manifest.contents]
    assert kept and all(file.is_file() and file.is_relative_to(folder / "wandb") for file in kept)
    return (
        [row for row in history if row],
        next(r.run.display_name for r in found if r.HasField("run")),
        {a.type: {entry.path for entry in a.manifest.contents} for a in artifacts if a.type},
    )


def synced(text):
    """Folders that the printed commands send."""
    return [Path(folder) for folder in re.findall(r"wandb sync (\S+)", text)]


def test_a_training_logs_curves_pictures_and_its_checkpoint(cli, film, tmp_path, monkeypatch):
    words = ("extractor=autoencoder", *SMALL, "dataset=folder", f"dataset.root={film}", "dataset.camera=true")
    monkeypatch.setattr(socket.socket, "connect", refuse_network(socket.socket.connect))
    status, text, err = cli("train", *words, "logger=wandb", f"out={tmp_path}/out")
    assert (status, err) == (0, "") and synced(text) == list(tmp_path.glob("out/wandb/offline-run-*"))
    history, name, artifacts = read(tmp_path / "out")
    losses = json.loads((tmp_path / "out" / "training.json").read_text())["history"]
    logged = [row for row in history if "validation_loss" in row]
    assert [(row["_step"], row["validation_loss"], row["train_loss"]) for row in logged] == [
        (row["epoch"], row["validation_loss"], row["train_loss"]) for row in losses
    ]
    assert name.startswith("autoencoder-") and {"curves/filenames", "reconstructions/filenames"} <= history[-1].keys()
    assert artifacts["checkpoint"] == {"best.safetensors", "last.safetensors", "training.json", "history.csv"}
    assert cli("train", *words, f"out={tmp_path}/plain")[0] == 0
    both = [(tmp_path / out / "best.safetensors").read_bytes() for out in ("out", "plain")]
    assert both[0] == both[1]


def refuse_network(connect):
    """Let processes of this machine talk to each other, as W&B's do."""

    def refused(self, address):
        if self.family == socket.AF_INET and address[0] not in ("127.0.0.1", "localhost"):
            raise AssertionError(f"connects to {address}")
        return connect(self, address)

    return refused


def test_a_run_logs_its_table_storyboards_and_report(cli, rendered, tmp_path, monkeypatch):
    words = ("run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform,pixel_distance]", "budget=[2,3]")
    monkeypatch.setattr("keyframe_bench.report.html.INSIDE_BYTES", 0)
    status, text, err = cli(*words, "logger=wandb", f"out={tmp_path}/out")
    assert (status, err) == (0, "") and "report: " in text
    assert synced(text) == list(tmp_path.glob("out/wandb/offline-run-*"))
    history, name, artifacts = read(tmp_path / "out")
    assert name == "folder-out"
    (file,) = (tmp_path / "out").glob(f"wandb/offline-run-*/files/{history[0]['comparison/path']}")
    kept = json.loads(file.read_text())
    assert {row[kept["columns"].index("extractor")] for row in kept["data"]} == {"random", "uniform", "pixel_distance"}
    boards = {key: value for key, value in history[1].items() if key.endswith("/captions")}
    assert sorted(boards) == [f"storyboards/{name}.mp4/captions" for name in ("cuts", "mixed", "static")]
    rows = [f"{row}, budget {k}{of}" for row, of in ROWS.items() for k in (2, 3)]
    assert all(sorted(labels) == sorted(rows) for labels in boards.values())
    beside = {file.relative_to(tmp_path / "out").as_posix() for file in tmp_path.glob("out/report/*")}
    assert len(beside) == 3
    assert {"report.html", "table.csv", "table.tex", "run.json", "results.jsonl"} | beside <= artifacts["report"]


@pytest.mark.parametrize(
    ("mode", "said"), [("disabled", ""), ("sideways", "logger.mode='sideways'"), ("online", "no key"), ("none", "pip")]
)
def test_modes_and_what_is_missing_are_told_before_anything_is_computed(
    cli, rendered, tmp_path, monkeypatch, mode, said
):
    if mode == "none":
        monkeypatch.setitem(sys.modules, "wandb", None)
    words = ("run", "dataset=folder", f"dataset.root={rendered}", "extractors=[uniform]", "budget=2", "logger=wandb")
    more = [f"logger.mode={mode}"] if mode != "none" else []
    for out, sweep in (("out", []), ("swept", ["-m", "seeds=0,1"])):
        status, _, err = cli(*words, *more, *sweep, f"out={tmp_path / out}")
        assert said in err and err.count("\n") == bool(said) and status == (2 if said else 0)
        assert not list(tmp_path.glob("*/wandb")) and (tmp_path / out / "report.html").exists() == (not said)
        assert (tmp_path / out / "cells").exists() == (not said)
