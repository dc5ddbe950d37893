"""A page for every extractor, and the gallery that links them: made with the site, of what the registry finds.

The pictures are of one rendered video, decoded once; nothing of them is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import keyframe_bench as kb
from keyframe_bench.cli.main import main
from keyframe_bench.core.errors import KeyframeBenchError
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.extractors.trainable import Trainable
from keyframe_bench.report.bibliography import bibliography
from keyframe_bench.tables.format import clock
from keyframe_bench.training.options import ModuleOptions
from keyframe_bench.video.fetch import fetch_frames
from keyframe_bench.video.image_files import encode_image, fit_width
from keyframe_bench.video.onepass import read_pass

BUDGET, SAMPLING, BASELINE = "6", "2fps", "uniform"
SCORED = "pixel_distance"  # whose scores are those of the file that a method asks for
# What methods learn from that come without a checkpoint: eight films of 4 s.
FILMS = "dataset=synthetic dataset.n_videos=8 dataset.duration_s=4 split=videos:0.75"
_THUMB, _WIDTH, _HEIGHT = 160, 640, 90  # pixels of a thumbnail; units of the curve
# Of mkdocstrings: what the page says itself is left out.
_HIDDEN = ("show_root_heading", "show_docstring_description", "show_signature", "show_bases", "members")
_ONLY_OPTIONS = "\n".join(f"      {option}: false" for option in _HIDDEN)


@dataclass
class Shown:
    """What an extractor chose of the video, or why it is not here."""

    name: str
    cls: type[kb.Extractor]
    facts: dict[str, Any]  # of `keyframe-bench list --json`
    needs: list[str] = field(default_factory=list)  # features
    found: kb.KeyFrames | None = None
    times: Any = None  # of the sampled frames that it saw
    missing: str = ""
    scores_of: str = ""  # the method whose scores it is given
    training: str = ""  # the command of the training that is drawn, where the package brings no checkpoint


class Methods:
    """Every registered extractor on the rendered video; trainings for it are kept in the folder ``outputs``."""

    def __init__(self, leaderboard: Path, outputs: Path) -> None:
        self.facts = {row["name"]: row for row in json.loads(_said(["list", "--json"])[1])["extractors"]}
        entries = kb.Extractor.registry.entries().items()
        self.shown = [Shown(name, e.cls, self.facts[name]) for name, e in entries if e.cls is not None]
        sections = json.loads(leaderboard.read_text("utf-8"))["sections"]
        self.costs = {row["label"]: row["cost"] for section in sections for row in section["rows"] if row["cost"]}
        asked: list[tuple[Shown, Asked]] = []
        requests: dict[str, dict[kb.Feature, None]] = {}
        for one in self.shown:
            method = _ready(one, outputs)
            one.missing = method.unavailable() or method.must_download() or ""
            one.needs = one.facts["needs"] or ([] if one.missing else [feature.name for feature in method.needs])
            if not one.missing:
                asked.append((one, Asked.of(method, BUDGET, SAMPLING)))
                for sampling, features in asked[-1][1].requests.items():
                    requests.setdefault(sampling, {}).update(dict.fromkeys(features))
        path = kb.demo_video()
        self.read = read_pass(path, {sampling: tuple(features) for sampling, features in requests.items()})
        self.annotation = kb.demo_annotation().aligned(self.read.times, "demo")
        for one, ask in asked:
            self._answer(one, ask)
        (scored,) = (one for one in self.shown if one.name == SCORED)
        rows = np.stack([scored.times, scored.found.frame_scores], axis=1)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "scores.csv"
            lines = [f"{Path(path).name},{t},{score}" for t, score in rows.tolist()]
            file.write_text("\n".join(["item,seconds,score", *lines]), "utf-8")
            for one in (one for one in self.shown if one.cls.file_parameter == "scores"):
                one.missing, one.scores_of = "", SCORED
                self._answer(one, Asked.of(one.cls(scores=str(file)), BUDGET, SAMPLING))
        ordinals = sorted({n for one in self.shown if one.found is not None for n in one.found.frames.tolist()})
        frames = fetch_frames(path, ordinals, self.read)
        small = (frame.rgb(*fit_width(frame.height, frame.width, _THUMB)) for frame in frames)
        self.pictures = {
            f"reference/extractors/{n}.jpg": encode_image(image, ".jpg")
            for n, image in zip(ordinals, small, strict=True)
        }

    def _answer(self, one: Shown, ask: Asked) -> None:
        try:
            one.found, _ = ask.answer(self.read, 0, self.annotation)
            one.times = ask.clip(self.read, self.annotation).times
        except KeyframeBenchError as error:
            one.missing = str(error)

    @property
    def baseline(self) -> Shown:
        """Evenly spaced frames."""
        return next(one for one in self.shown if one.name == BASELINE)

    def gallery(self) -> str:
        """Return a card for every extractor, which leads to its page; those that are not here come last."""
        cards = []
        for one in sorted(self.shown, key=lambda one: (one.found is None, one.name)):
            inside = _strip(one.found, "extractors/") if one.found is not None else f"<p>{_plain(one.missing)}</p>"
            head = f"<b>{escape(one.name)}</b><span>{escape(one.facts['about'])}</span>"
            cards.append(f'<a class="method" href="extractors/{one.name}.html">{head}{inside}</a>')
        return f'<div class="methods">{"".join(cards)}</div>'

    def page(self, one: Shown) -> str:
        """Return the page of an extractor, Markdown."""
        path = f"{one.cls.__module__}.{one.cls.__qualname__}"
        parts = [f"# {one.name}", one.facts["about"], *one.facts["details"].split("\n"), *self._pictures(one)]
        parts += [_table(self._facts(one), ("in short", "")), "## Commands", *_commands(one)]
        own = path.startswith("keyframe_bench.")
        parts += ["## Options"] + ["It has none."] * (not one.facts["parameters"])
        parts += [f"::: {path}\n    options:\n{_ONLY_OPTIONS}"] if own else []  # of a plug-in, griffe knows no source
        for title, stem, options in (
            ("", "extractor", [] if own else one.facts["parameters"]),
            ("### Options of its training", "trainer", one.facts["trainer"]),
        ):
            rows = [(f"`{stem}.{p['name']}`", _default(p), _listed(p["about"]) or p["expects"]) for p in options]
            parts += [title, _table(rows, ("option", "default", "what it does"))] if rows else []
        if one.cls.reference != "none":
            parts += ["## Source", f"```bibtex\n{bibliography([one.cls.reference]).strip()}\n```"]
        return "\n\n".join(parts) + "\n"

    def _pictures(self, one: Shown) -> Iterator[str]:
        if one.found is None:
            yield f"Not drawn here: {_plain(one.missing)}."
            return
        others = [(BASELINE, self.baseline)] if one.name != BASELINE else []
        for title, other in ((one.name, one), *others):
            if other.found is not None:
                yield f'<p class="strip-title">{escape(title)}</p>{_strip(other.found, "")}'
        yield self._curve(one)
        scores = " Its score is drawn over time" if one.found.frame_scores is not None else " It gives frames no score"
        scores = f" The scores of its file are here those of `{one.scores_of}`" if one.scores_of else scores
        if one.training:
            yield (
                f"The package brings no checkpoint of `{one.name}`: here it learned for seconds, from eight films "
                "rendered for it, and does not show what it can do.\n\n```sh\n" + one.training + "\n```"
            )
        dashed = ", with its threshold dashed" if one.found.thresholds is not None else ""
        yield (
            f"Key frames of a rendered video of 12 seconds (`kb.demo_video()`) for `budget={BUDGET}`, with those "
            f"of `{BASELINE}` to compare.{scores}{dashed}; upright lines are cuts and dissolves, dots are key frames."
        )

    def _curve(self, one: Shown) -> str:
        """Return scores over time as an inline image: it has the colours of the page."""
        end = self.read.info.start_s + self.read.info.duration_s
        scale, scores, thresholds = _WIDTH / end, one.found.frame_scores, one.found.thresholds
        alike = len(set(one.found.threshold_range or ())) == 1
        thresholds = np.full_like(thresholds, thresholds[-1]) if alike else thresholds
        rows = [(one.name, one)] + ([(BASELINE, self.baseline)] if one.name != BASELINE else [])
        height = 0 if scores is None else _HEIGHT
        bottom = height + 6 + 16 * len(rows)
        drawn = [
            f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
            for x in self.read.times[self.annotation.shots[1:, 0]] * scale
        ]
        if scores is not None:
            top = max(float(np.max(scores)), 0.0 if thresholds is None else float(np.max(thresholds)))
            low = min(float(np.min(scores)), 0.0)

            def up(values: Any) -> Any:
                return _HEIGHT - 4 - (np.asarray(values) - low) / ((top - low) or 1) * (_HEIGHT - 8)

            for value in (top, low):
                drawn.append(f'<line class="cut" x1="0" x2="{_WIDTH}" y1="{up(value):.1f}" y2="{up(value):.1f}"/>')
                drawn.append(f'<text x="{_WIDTH + 6}" y="{up(value) + 4:.1f}">{value:.3g}</text>')
            for kind, values in (("score", scores), ("threshold", thresholds)):
                if values is not None:
                    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(one.times * scale, up(values), strict=True))
                    drawn.append(f'<polyline class="{kind}" points="{points}"/>')
            if thresholds is not None:
                told = f"threshold {thresholds[-1]:.3g}{'' if alike else ' at the end'}"
                drawn.append(f'<text x="{_WIDTH + 46}" y="{up(thresholds[-1]) + 4:.1f}">{told}</text>')
        for i, (name, other) in enumerate(rows):
            y = height + 14 + 16 * i
            drawn.append(f'<text x="{_WIDTH + 6}" y="{y + 4}">{escape(name)}</text>')
            drawn += [f'<circle class="key" cx="{t * scale:.1f}" cy="{y}" r="4"/>' for t in other.found.times]
        for second in range(0, int(end) + 1, 2):
            drawn.append(f'<text x="{second * scale:.1f}" y="{bottom + 12}">{second} s</text>')
        size = f"-6 -2 {_WIDTH + 150} {bottom + 20}"
        title = f"<title>{escape(one.name)}: scores and key frames over time</title>"
        return f'<svg class="scores" viewBox="{size}" role="img">{title}{"".join(drawn)}</svg>'

    def _facts(self, one: Shown) -> list[tuple[str, str]]:
        cls, facts = one.cls, one.facts
        nothing = "what its training read" if one.missing and facts["learns"] else "no feature of the frames"
        rows = [("looks at", "<br>".join(_feature(name) for name in one.needs) or nothing)]
        rows += [("number of key frames", f"{facts['budget_rule']} (budgets: {', '.join(facts['supports'])})")]
        rows += [("may return fewer", facts["may_return_fewer"])] if facts["may_return_fewer"] else []
        rows += [("frames it sees", f"its own: {facts['sampling']}")] if facts["sampling"] else []
        words = {
            "online": "decides as frames come",
            "stochastic": "draws at random",
            "privileged": "sees annotations",
        }
        rows += [("besides", ", ".join(word for name, word in words.items() if getattr(cls, name)))]
        mine = ((label.removeprefix(one.name), cost) for label, cost in self.costs.items() if _is(label, one.name))
        costs = [f"{cost:.3g} ms{setting}" for setting, cost in mine]
        told = f"{'<br>'.join(map(escape, costs))} ([leaderboard](../../leaderboard.md): decoding, features, selection)"
        rows += [("cost per frame", told if costs else "not measured")]
        rows += [("known defects", facts["known_defects"])] if facts["known_defects"] else []
        return [row for row in rows if row[1]]


def _said(command: list[str]) -> tuple[int, str]:
    """Run ``keyframe-bench`` with these arguments, and return its exit code and what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return main(command), said.getvalue()


def _ready(one: Shown, outputs: Path) -> kb.Extractor:
    """Return the method; one that comes untrained has learned from rendered films, now or at an earlier build."""
    cls = one.cls
    if not issubclass(cls, Trainable) or cls().checkpoint:
        return cls()
    command = ["train", f"extractor={one.name}", *FILMS.split()]
    command += ["trainer.epochs=2"] if issubclass(cls.Options, ModuleOptions) else []
    out = outputs / one.name
    places = [f"dataset.root={outputs / 'films'}", f"out={out}"]
    if _said([*command, *places])[0] or cls(checkpoint=str(out / "best.safetensors")).unavailable():
        shutil.rmtree(out, ignore_errors=True)  # it is of another version of the method
        _said([*command, *places])
    method = cls(checkpoint=str(out / "best.safetensors"))
    if method.unavailable():
        return cls()
    lines = " ".join(command), f"out=outputs/{one.name}"
    one.training = f"keyframe-bench {' '.join(lines)}".replace(" split=", " \\\n    split=")
    return method


def _is(label: str, name: str) -> bool:
    return label == name or label.startswith(f"{name} (")


def _feature(name: str) -> str:
    cls = kb.Feature.registry.get(name)
    path = f"{cls.__module__}.{cls.__qualname__}"
    linked = f"[`{name}`][{path}]" if path.startswith("keyframe_bench.") else f"`{name}`"
    return f"{linked}: {cls.summary}" if cls.summary else linked


def _commands(one: Shown) -> Iterator[str]:
    """Yield how it is run, and first, where it learns, how it is trained."""
    extract, explain = (
        f"keyframe-bench {word} film.mp4 extractor={one.name} budget=6{more}"
        for word, more in (("extract", ""), ("explain", " time=5"))
    )
    option = f" \\\n    extractor.{one.cls.file_parameter}=FILE" if one.cls.file_parameter else ""
    if issubclass(one.cls, Trainable):
        users, bundled = one.cls.supervision == "users", one.cls().checkpoint == "bundled"
        what = "A small network comes with the package. To train your own" if bundled else "It must be trained"
        guide = "[what annotators chose](../../guides/annotators.md)" if users else "[videos](../../guides/learned.md)"
        train = f"keyframe-bench train extractor={one.name} dataset=folder dataset.root=DIR"
        option = f" \\\n    extractor.checkpoint=outputs/{one.name}/best.safetensors"
        yield f"{what}, on {guide}:"
        more = "" if bundled else f"{explain}{option}\n"
        yield f"```sh\n{train} \\\n    out=outputs/{one.name}\n{extract}{option}\n{more}```"
        if not bundled:
            return
        option = ""
    if one.cls.privileged:
        yield "It sees the annotation, so that it runs on data sets that have one:"
        yield f"```sh\nkeyframe-bench run dataset=synthetic extractors='[{BASELINE},{one.name}]' budget=6\n```"
    else:
        yield f"```sh\n{extract}{option}\n{explain}{option}\n```"


def _strip(found: kb.KeyFrames, folder: str) -> str:
    """Return key frames in a row, with their times."""
    cells = "".join(
        f'<figure><img src="{folder}{n}.jpg" alt="frame {n}" loading="lazy">'
        f"<figcaption>{clock(t)}</figcaption></figure>"
        for n, t in zip(found.frames.tolist(), found.times.tolist(), strict=True)
    )
    return f'<div class="strip">{cells}</div>'


def _table(rows: Sequence[Sequence[str]], head: Sequence[str] = ("", "")) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _default(parameter: dict[str, Any]) -> str:
    return f"`{parameter['default']}`" if parameter["default"] != "" else "empty"


def _listed(about: str) -> str:
    """Return the description of a parameter with each point of a list on a line, for a cell of a table."""
    return re.sub(r":? \* (?=\w+: )", "<br>", about)


def _plain(text: str) -> str:
    return escape(text.strip().rstrip("."))
