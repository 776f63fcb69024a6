"""The figures of a study, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ytterby.cohort.table import AnalysisTables
from ytterby.report.figures_dose import dose_figure
from ytterby.report.figures_flow import flow_figure
from ytterby.report.figures_roc import roc_figure
from ytterby.report.figures_survival import survival_figure
from ytterby.report.style import Drawn

__all__ = ["study_figures"]


def study_figures(results: Mapping[str, Any], tables: AnalysisTables) -> tuple[Drawn, ...]:
    """Figures 1 to 3 of the paper (flow, dose by response, ROC), and 4: survival, where there are curves."""
    figures = (flow_figure(results), dose_figure(results, tables), roc_figure(results), survival_figure(results))
    return tuple(figure for figure in figures if figure is not None)
