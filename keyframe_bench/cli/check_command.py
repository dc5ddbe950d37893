"""``keyframe-bench check``: the contract checks of one extractor."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..core.errors import UnavailableError, UsageError
from ..core.files import visible
from ..core.registry import load_plugins
from ..core.sources import source_digest
from ..extractors.base import Extractor
from ..extractors.checks import run_checks, uncheckable
from .commands import Arguments
from .compose import configured, named


def run(found: Arguments) -> int:
    """Print a verdict for every check; return 1 when one failed."""
    before = set(Extractor.registry.names())
    load_plugins(found.plugins)
    names = found.positional or sorted(set(Extractor.registry.names()) - before)
    if not names:
        raise UsageError("check needs a name, or --plugin FILE that registers one: keyframe-bench check uniform")
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
