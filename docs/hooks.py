"""What the site has besides docs/: experiments/, notebooks/ and their links, the leaderboard, pages of extractors."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from methods import Methods  # docs/methods.py: mkdocs looks beside its hooks
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebook_pages import notebook_page

from keyframe_bench.cli.main import main

ROOT = Path(__file__).parents[1]
LEADERBOARD = ROOT / "outputs" / "leaderboard"
GALLERY = "reference/extractors.md"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages and figures of experiments/, and the leaderboard as CSV and JSON."""
    for path in sorted([*ROOT.glob("experiments/*/*"), *ROOT.glob("experiments/*.md")]):
        if path.suffix in (".md", ".png", ".jpg"):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        if main(["results", "leaderboard", str(ROOT / "experiments" / "results"), f"out={LEADERBOARD}"]):
            raise PluginError(said.getvalue())
    for end in ("csv", "json"):
        file = LEADERBOARD / f"leaderboard.{end}"
        files.append(File.generated(config, file.name, abs_src_path=str(file)))
    for path in ROOT.glob("notebooks/*.ipynb"):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=notebook_page(path)))
    methods = Methods(LEADERBOARD / "leaderboard.json", ROOT / "outputs" / "extractors")
    pages = {f"reference/extractors/{one.name}.md": methods.page(one) for one in methods.shown}
    for name, content in {**pages, **methods.pictures}.items():
        files.append(File.generated(config, name, content=content))
    config.extra["gallery"] = methods.gallery()


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Return the page with the leaderboard or the gallery, and with links as they are where docs/ is the root."""
    if page.file.src_uri == "leaderboard.md":
        table = (LEADERBOARD / "leaderboard.md").read_text("utf-8")
        markdown = markdown.replace(
            "<!-- leaderboard -->", f"[CSV](leaderboard.csv), [JSON](leaderboard.json)\n\n{table}"
        )
    if page.file.src_uri == GALLERY:
        markdown = markdown.replace("<!-- gallery -->", config.extra["gallery"])
    if page.file.src_uri.startswith(("experiments/", "notebooks/")):
        return re.sub(r"\]\(((?:\.\./)+)docs/", r"](\1", markdown)
    markdown = re.sub(r"(\]\((?:\.\./)+notebooks/\w+)\.ipynb", r"\1.md", markdown)
    return re.sub(r"\]\(\.\./((?:\.\./)*)(experiments|notebooks)/", r"](\1\2/", markdown)
