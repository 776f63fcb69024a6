"""Pages of one patient: one HTML file that needs nothing beside it, whatever it is about."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

__all__ = ["data_url", "page_template"]


@cache
def page_template(name: str) -> Template:
    """The template ``name`` of a page; all text that it is given is escaped, for names come from files."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def data_url(kind: str, content: bytes) -> str:
    """A picture (``kind`` such as image/png) as an address that holds it: the page loads nothing."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
