"""``keyframe-bench check``: the contract checks of one extractor, or what a data set lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..core.errors import UnavailableError, UsageError
from ..core.files import visible
from ..core.registry import load_plugins
from ..core.sources import source_digest
from ..datasets.base import Dataset
from ..extractors.base import Extractor
from ..extractors.checks import run_checks, uncheckable
from .commands import Arguments, path_text
from .compose import configured, named


def run(found: Arguments) -> int:
    """Print a verdict for every check, or all that a data set lacks; return 1 when a check failed or it lacks some."""
    before = set(Extractor.registry.names())
    load_plugins(found.plugins)
    if any(word.startswith("dataset") for word in (*found.overrides, *found.values)):
        return _check_dataset(found)
    names = found.positional or sorted(set(Extractor.registry.names()) - before)
    if not names and found.plugins:
        raise UsageError(
            f"check is for extractors and data sets, and {', '.join(map(path_text, found.plugins))} registers no "
            "extractor; for a feature or metric run its test with pytest (keyframe-bench new writes one)"
        )
    if not names:
        raise UsageError(
            "check needs a name, --plugin FILE that registers one, or dataset=NAME: keyframe-bench check uniform"
        )
    failed = 0
    for name in names:
        Extractor.registry.get(name)
        chosen = replace(found, overrides=[f"extractor={name}", *found.overrides])
        extractor = Extractor.registry.build(*named(configured(chosen, "extract")["extractor"]))
        reason = uncheckable(extractor) or extractor.must_download()
        if reason is not None:
            raise UnavailableError(f"extractor {name!r} cannot be checked: {reason}")
        results = run_checks(extractor)
        for result in results:
            print(visible(f"{name}: {result.name}: {result.status}{': ' + result.message if result.message else ''}"))
        counts = {"passed": 0, "failed": 0} | Counter(result.status for result in results)
        failed += counts["failed"]
        print(f"{name}: {len(results)} checks: {', '.join(f'{n} {status}' for status, n in counts.items())}")
        if source_digest(type(extractor)):
            print(f"{name}: run notices edits of its file and of the modules it imports; whatever else it reads at")
            print("  run time (files, environment variables) belongs in depends_on, or old results are reused")
    return 1 if failed else 0


def _check_dataset(found: Arguments) -> int:
    if found.positional or not any(word.startswith("dataset=") for word in found.overrides):
        raise UsageError("check takes either the name of an extractor or dataset=NAME with its options")
    dataset = Dataset.registry.build(*named(configured(found, "run")["dataset"]))
    lines = dataset.verify()
    for line in lines:
        print(visible(f"{dataset.name}: {line}"))
    told = not lines or not dataset.page or dataset.page in lines[0]
    source = "" if told else f"; files: {dataset.layout}; get them at {dataset.page}"
    found_wrong = f"{len(lines)} problem{'s' * (len(lines) > 1)}" if lines else dataset.fits
    print(f"{dataset.name}: {found_wrong}{source}")
    return 1 if lines else 0
