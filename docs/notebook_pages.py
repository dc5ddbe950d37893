"""The notebooks of the repository as pages of the site: prose, code and the outputs that are committed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown; images are inside, and links to other notebooks lead to their pages."""
    return "\n\n".join(part for cell in json.loads(path.read_text("utf-8"))["cells"] for part in _parts(cell))


def _parts(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", source)
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        shown = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
        if image := next((kind for kind in shown if kind.startswith("image/")), None):
            yield f'<img alt="" src="data:{image};base64,{"".join(shown[image].split())}">'
        elif "text/html" in shown:
            table = re.sub(r"<style.*?</style>\s*", "", shown["text/html"], flags=re.DOTALL)
            yield re.sub(r"<table[^>]*>", "<table>", table)  # the site styles tables without a class
        else:
            yield f"```text\n{''.join(output.get('text', shown.get('text/plain', ''))).rstrip()}\n```"
