"""The report of a study as one HTML file that needs nothing else."""

from __future__ import annotations

from base64 import b64encode

from jinja2 import Environment, PackageLoader, StrictUndefined

from ytterby.report.page import StudyPage

__all__ = ["study_html"]


def study_html(page: StudyPage) -> str:
    """The page as HTML: figures inlined as SVG images, style inlined, no script, nothing loaded from elsewhere.

    All text is escaped: identifiers, reasons and messages come from outside.
    """
    environment = Environment(
        loader=PackageLoader("ytterby.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("study.html.j2").render(page=page)


def _data_uri(svg: bytes) -> str:
    # An image keeps its own names: the same SVG inlined twice as markup would define its identifiers twice.
    return f"data:image/svg+xml;base64,{b64encode(svg).decode('ascii')}"
