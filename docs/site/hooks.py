"""Pages that are made and not written: the rules from the package, the changelog from the top of the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

DOCS = Path(__file__).resolve().parents[1]
MADE = ("rules.md", "changelog.md")


def on_config(config: Any) -> Any:
    """Leave pages out of the navigation that this tree does not have."""
    config.nav = [page for page in config.nav if page in MADE or (DOCS / page).is_file()]
    return config


def on_files(files: Files, config: Any) -> Files:
    files.append(File.generated(config, "rules.md", content=rules()))
    files.append(File.generated(config, "changelog.md", content=(DOCS.parent / "CHANGELOG.md").read_text("utf-8")))
    return files


def rules() -> str:
    """Every rule that an answer can cite, by its room."""
    from memtype.cli.rules import every

    lines = [
        "# Rules",
        "",
        "Every answer cites the rules that decided: `--why` prints them, `memtype rules NAME` finds one.",
        "",
    ]
    for rule in every():
        text, source = (each.replace("<", "&lt;").replace("|", "\\|") for each in (rule.text, rule.source))
        lines += [f"## {rule.id} {{ #{rule.id} }}", "", text, "", f"*Source: {source}*", ""]
    return "\n".join(lines)
