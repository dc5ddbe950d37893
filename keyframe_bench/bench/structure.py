"""Networks as they are listed in a paper: one record a layer, with parameters and multiply-accumulates; exact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.cells import FORMAT
from ..core.files import canonical_json, digest, write_atomic
from ..models.networks import ConvolutionalNetwork
from .provenance import ended_record, started_record
from .training_sets import TrainingTable

COLUMNS = {
    "params": "trained numbers",
    "mmacs": "million multiply-accumulates a picture",
    "total_params": "trained numbers of encoder and decoder",
    "total_mmacs": "million multiply-accumulates a picture of encoder and decoder",
    "layers": "layers of the encoder",
    "channels": "channels that come out",
    "height": "pixels",
    "width": "pixels",
    "ratio": "numbers of the input over numbers of the code",
}


def structure_records(network: ConvolutionalNetwork, reference: str) -> list[dict[str, Any]]:
    """Return the records of a network: its input, every layer of its encoder, and the whole.

    ``label`` says which ("input", "layer 1", "whole"), ``structure`` is the text that the paper's tables print there.
    """
    size = {"height": network.input_height, "width": network.input_width, "channels": 3}
    parts: list[tuple[str, str, Mapping[str, float]]] = [("input", f"{size['height']}*{size['width']}", size)]
    for number, layer in enumerate(network.layers, start=1):
        numbers = {"params": layer.params, "mmacs": layer.macs / 1e6, "channels": layer.outputs}
        parts.append((f"layer {number}", str(layer), {**numbers, "height": layer.height, "width": layer.width}))
    channels, height, width = network.code_shape
    whole = {
        "layers": len(network.layers),
        "params": network.encoder_params,
        "mmacs": network.encoder_macs / 1e6,
        "total_params": network.total_params,
        "total_mmacs": network.total_macs / 1e6,
        "channels": channels,
        "height": height,
        "width": width,
        "ratio": network.compression,
    }
    parts.append(("whole", f"{channels}*{height}*{width}", whole))
    params = {key: value for key, value in network.params.items() if key != "name"}
    return [
        {
            "format": FORMAT,
            "key": digest([network.params, label]),
            "status": "ok",
            "extractor": network.name,
            "params": {**params, "part": label},
            "label": label,
            "structure": text,
            "reference": reference,
            "unit": "exact",
            "dataset": "none",
            "video": "structure",
            "seed": 0,
            "metrics": dict(metrics),
        }
        for label, text, metrics in parts
    ]


def run_structure(table: TrainingTable, out: Path, *, command: str, facts: Mapping[str, Any]) -> Path:
    """Write ``results.jsonl`` and ``run.json`` of a table of kind ``structure`` into ``out`` and return it."""
    record, shared = started_record(command), table.settings.get("network") or {}
    records = []
    for run in table.runs:
        network = ConvolutionalNetwork.build(run["network"], {**shared, **run.get("params", {})})
        records += structure_records(network, table.source)
    columns = {name: {"direction": "none", "unit": "1", "about": about} for name, about in COLUMNS.items()}
    record |= {**facts, "columns": columns, **ended_record()}
    write_atomic(out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    write_atomic(out / "run.json", json.dumps(record, indent=1) + "\n")
    return out
