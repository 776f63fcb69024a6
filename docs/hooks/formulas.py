"""Draws the formulas of the pages ($...$, and $$...$$ as blocks) as SVG: they need no script and no network."""

from __future__ import annotations

import html
import logging
import re
from typing import Any

log = logging.getLogger("mkdocs.hooks.formulas")

EM = 10.0  # size at which formulas are laid out; on the page they scale with the text
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
# TeX that mathtext spells in another way.
SPELLINGS = (
    (re.compile(r"\\([Bb]ig+)[lr]?(?=\\|[()\[\]|])"), ""),
    (re.compile(r"\\[td]?frac\s*(\w)\s*(\w)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\le(?![a-z])"), r"\\leq"),
    (re.compile(r"\\ge(?![a-z])"), r"\\geq"),
)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page with a token in place of each formula (Markdown would take its underscores for emphasis)."""
    page.meta["formulas"] = drawn = []

    def token(match: re.Match[str]) -> str:
        tex = " ".join((match["block"] or match["inline"]).split())
        try:
            drawn.append(svg(tex, block=match["block"] is not None))
        except ValueError as error:
            log.warning("%s: this formula cannot be drawn: %s (%s)", page.file.src_path, tex, error)
            return match[0]
        return f"FORMULA{len(drawn) - 1}END"

    parts = CODE.split(markdown)
    return "".join(part if number % 2 else FORMULA.sub(token, part) for number, part in enumerate(parts))


def on_page_content(content: str, *, page: Any, **_: Any) -> str:
    """The finished page with the drawings in place of the tokens."""
    drawn = page.meta.pop("formulas", [])
    return re.sub(r"FORMULA(\d+)END", lambda match: drawn[int(match[1])], content)


def svg(tex: str, *, block: bool) -> str:
    """A drawing of the formula whose baseline is that of the text around it; ValueError where it cannot be parsed."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import TextPath

    for pattern, spelling in SPELLINGS:
        tex = pattern.sub(spelling, tex)
    font = FontProperties(family="serif", math_fontfamily="cm", size=EM)
    size = MathTextParser("path").parse(f"${tex}$", dpi=72, prop=font)
    path = TextPath((0, 0), f"${tex}$", size=EM, prop=font)
    commands = []
    for points, code in path.iter_segments(simplify=False, curves=True):
        letter = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[int(code)]
        places = " ".join(f"{x:.2f} {-y:.2f}" for x, y in points.reshape(-1, 2)) if letter != "Z" else ""
        commands.append(letter + places)
    above, below, width = size.height - size.depth, size.depth, size.width
    style = f"height:{(above + below) / EM:.3f}em;vertical-align:{-below / EM:.3f}em;overflow:visible"
    drawing = (
        f'<svg role="img" aria-label="{html.escape(tex)}" style="{style}" '
        f'viewBox="0 {-above:.2f} {width:.2f} {above + below:.2f}" fill="currentColor"><path d="{"".join(commands)}"/></svg>'
    )
    return f'<span style="display:block;overflow-x:auto;font-size:115%">{drawing}</span>' if block else drawing
