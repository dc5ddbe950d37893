"""Pages of experiments/ in the site: their files, and links to and from them, which work in the repository as well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages and figures of experiments/."""
    for path in sorted([*ROOT.glob("experiments/*/*"), *ROOT.glob("experiments/*.md")]):
        if path.suffix in (".md", ".png"):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the page with links as they are where docs/ is the root."""
    if page.file.src_uri.startswith("experiments/"):
        return markdown.replace("](../../docs/", "](../../")
    return re.sub(r"\]\(\.\./((?:\.\./)*)experiments/", r"](\1experiments/", markdown)
