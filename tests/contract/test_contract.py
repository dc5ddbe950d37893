"""Every registered extractor keeps to every rule; a new file in extractors/ is tested at once, with no list to edit."""

from typing import Any

import pytest

from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.checks import CHECKS, run_check, uncheckable

# Parameters that let a method run without weights from elsewhere, or in less time; everything else has its defaults.
PARAMS: dict[str, dict[str, Any]] = {
    "autoencoder": {"distance_space": "feature_l2"},  # its own tests run the others, on a small network
    "deep_cluster": {"epochs": 2},
    "embedding_kmeans": {"backbone": "timm:test_resnet.r160_in1k", "weights": "random"},
}


def _extractors() -> dict[str, Extractor | str]:
    """Instances by name; a reason instead where one cannot run here."""
    found: dict[str, Extractor | str] = {}
    for name, entry in Extractor.registry.entries().items():
        if entry.cls is None:
            found[name] = str(entry.error)
            continue
        extractor = Extractor.registry.build(name, PARAMS.get(name, {}))
        found[name] = uncheckable(extractor) or extractor
    return found


EXTRACTORS = _extractors()


def _cases() -> list[Any]:
    cases = []
    for name, extractor in EXTRACTORS.items():
        if isinstance(extractor, str):
            cases.append(pytest.param(name, "", id=f"{name}:unavailable", marks=pytest.mark.skip(reason=extractor)))
            continue
        for rule in CHECKS:
            cases.append(pytest.param(name, rule, id=f"{name}:{rule}"))
    return cases


@pytest.mark.parametrize(("name", "rule"), _cases())
def test_contract(name, rule):
    result = run_check(rule, EXTRACTORS[name])
    if result.status == "expected failure":
        pytest.xfail(result.message)
    assert result.status in ("passed", "not applicable"), result.message


def test_extractors_of_the_package_import():
    """Files of the package that fail on import would otherwise only be skipped."""
    entries = Extractor.registry.entries().values()
    broken = {e.name: e.error for e in entries if e.cls is None and e.origin.startswith("keyframe_bench.extractors.")}
    assert broken == {}
