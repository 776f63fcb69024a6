"""The documentation: it builds, and its abbreviations are explained."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

# Formats, programs and symbols that a reader of these pages knows, or that are no abbreviations.
COMMON = frozenset(
    (
        "CPU",
        "CSV",
        "HTML",
        "JSON",
        "PDF",
        "PNG",
        "SVG",
        "URL",
        "UTC",
        "UTF",
        "YAML",
        "ASCII",
        "ISO",
        "SHA",
        "CLI",
        "DOI",
    )
)
ABBREVIATION = re.compile(r"(?<![\w-])[A-Z][A-Z0-9]{2,}(?![\w-]|\.\w)")
NOT_PROSE = (
    re.compile(r"```.*?```", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)\n]*\)"),
    re.compile(r"https?://\S+|doi:\S+"),
)


def prose(text: str) -> str:
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    return text


def explained(glossary: str) -> set[str]:
    """Terms of the glossary: the first column of its tables, a comma between two names of one thing."""
    rows = re.findall(r"(?m)^\| *\*\*([^|]+?)\*\* *\|", glossary)
    return {term.strip() for row in rows for term in row.split(",")}


def test_abbreviations_stand_in_the_glossary(root) -> None:
    docs = root / "docs"
    terms = explained((docs / "glossary.md").read_text(encoding="utf-8"))
    assert {"DVH", "LSF", "MAA", "VOI", "ROC", "MAD", "BED"} <= terms
    used: Counter[str] = Counter()
    for folder in ("theory", "howto"):
        for page in sorted((docs / folder).glob("*.md")):
            used.update(ABBREVIATION.findall(prose(page.read_text(encoding="utf-8"))))
    assert used["ROC"] + used["DVH"] >= 2
    unknown = {word: n for word, n in used.items() if n >= 2 and word not in terms and word not in COMMON}
    assert not unknown, f"explain in docs/glossary.md: {unknown}"


def test_every_page_is_in_the_navigation(root) -> None:
    navigation = (root / "mkdocs.yml").read_text(encoding="utf-8")
    docs = root / "docs"
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    assert not [page for page in pages if f": {page}\n" not in navigation]


def test_the_documentation_builds_without_a_warning(root, tmp_path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Research use only" in home
    # The pages work without a network: nothing is loaded from elsewhere.
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:)?//[^"]*"', home)
    assert not loaded


def test_links_of_the_pages_at_the_top_lead_somewhere(root) -> None:
    broken = []
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (root / name).read_text(encoding="utf-8")):
            if not target.startswith("https://") and not (root / target).exists():
                broken.append(f"{name}: {target}")
    assert not broken
