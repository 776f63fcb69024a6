"""The report as HTML and PDF: complete, self-contained, safe, and the same twice."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from ytterby.report.html import study_html
from ytterby.report.methods import methods_paragraphs
from ytterby.report.page import CaseLink, study_page
from ytterby.report.pdf import study_pdf
from ytterby.report.tables import Row, Table

TRUTH = Table("truth", "Measured and true", ("Dose", "n"), (Row(("MAD per lesion", "48")),), numeric=(False, True))
CASES = (
    CaseLink("P00", "../cases/P00/report.html", 219.46, ("40 % of counts lie outside the liver",)),
    CaseLink("P01", failure="spect.dcm: <script>alert(1)</script> no unit is stated"),
)


@pytest.fixture(scope="module")
def page(study_results, study_tables):
    return study_page(study_results, study_tables, title="A simulated study", cases=CASES, truth=TRUTH)


class Elements(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.identifiers: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        values = dict(attrs)
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.identifiers += [values["id"]] if "id" in values else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(html):
    elements = Elements()
    elements.feed(html)
    assert elements.open == []
    return elements


def test_the_page_needs_nothing_else(page):
    elements = parsed(study_html(page))
    outside = [link for link in elements.links if not link.startswith(("data:image/svg+xml;base64,", "#"))]
    assert outside == ["../cases/P00/report.html"]
    anchors = {link[1:] for link in elements.links if link.startswith("#")}
    assert anchors <= set(elements.identifiers)
    assert len(elements.identifiers) == len(set(elements.identifiers))
    assert "script" not in elements.tags


def test_the_page_says_what_it_is(page, study_results, study_tables):
    html = study_html(page)
    assert "Research use only" in html
    assert "Simulated data." in html
    assert "Failed: spect.dcm: &lt;script&gt;" in html
    assert "219.5" in html
    assert "Measured and true" in html
    for warning in study_results["warnings"]:
        assert re.sub(r"[<>&'\"].*", "", warning["message"]) in html
    real = study_page({**study_results, "simulated": False}, study_tables)
    assert "imulated data" not in study_html(real)


def test_the_pdf_is_the_same_twice_and_takes_text_as_text(page):
    pdf = study_pdf(page)
    assert pdf[:5] == b"%PDF-"
    assert pdf == study_pdf(page)
    assert b"CreationDate" not in pdf


def test_methods_follow_the_plan(study_results):
    text = " ".join(methods_paragraphs(study_results))
    assert "a dose above an observed value counts as positive" in text
    assert "196.6 Gy per lesion, 175 Gy per patient" in text
    assert "ties after Efron" in text
    other = {**study_results["options"], "cox": {"ties": "breslow", "entry": "by_term", "entry_p": 0.1}}
    text = " ".join(methods_paragraphs({**study_results, "options": other}))
    assert "ties after Breslow" in text
    assert "Terms with a univariate P below 0.1" in text
