"""analysis.yaml: the declared analysis; the paper's plan is shipped with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ytterby.cohort.plan import AnalysisPlan, Covariate, CovariateKind, Deaths, Entry, TimeZero
from ytterby.files.fields import FileModel, NonNegative, Number, SchemaOne, Text, Whole, not_empty, refused, validated
from ytterby.files.yamlfile import read_yaml

__all__ = ["PAPER", "PlanFile", "read_plan"]

PAPER = Path(__file__).parent / "plans" / "paper.yaml"
"""The plan that is used where none is given."""


def _level(value: object) -> object:
    """A level of a factor as text: YAML reads ``reference: 1`` as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Level = Annotated[Text, BeforeValidator(_level)]


class Endpoints(FileModel):
    """Which endpoints, from when, and what a death means for progression."""

    names: Annotated[tuple[Literal["hepatic_pfs", "global_pfs", "os"], ...], AfterValidator(not_empty)]
    time_zero: TimeZero
    deaths: Deaths

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise refused("an endpoint is named twice", "name each endpoint once")
        return self


class CovariateEntry(FileModel):
    """A column and how it enters the models."""

    name: Text
    kind: CovariateKind
    reference: Level | None = None
    level: Level | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = {
            CovariateKind.FACTOR: {"reference"},
            CovariateKind.CONTRAST: {"level"},
            CovariateKind.LINEAR: set[str](),
        }
        given = {name for name in ("reference", "level") if getattr(self, name) is not None}
        for name in sorted(wanted[self.kind] - given):
            raise refused(f"a covariate of kind {self.kind} needs '{name}'", f"write {name}: ...")
        for name in sorted(given - wanted[self.kind]):
            raise refused(f"a covariate of kind {self.kind} has no '{name}'", f"take {name} out")
        return self

    def covariate(self) -> Covariate:
        """The same as the plan's own type."""
        return Covariate(self.name, self.kind, self.reference or "", self.level or "")


class CoxRules(FileModel):
    """Proportional hazards: ties, and which covariates enter the multivariate model."""

    ties: Literal["efron", "breslow"]
    entry: Entry
    entry_p: Annotated[Number, Field(gt=0, le=1)]


class FixedCutoffs(FileModel):
    """Cut-offs that are looked at beside Youden's, for lesions and for patients."""

    lesion: tuple[NonNegative, ...] = ()
    patient: tuple[NonNegative, ...] = ()


class RocRules(FileModel):
    """ROC curves: the convention of cut-offs, fixed cut-offs, the interval of the area."""

    cutoff: Literal["above_observed", "midpoint", "at_observed"]
    fixed_cutoffs_gy: FixedCutoffs
    auc_ci: Literal["delong"]


class Intervals(FileModel):
    """Methods of confidence intervals."""

    proportions: Literal["clopper_pearson", "wilson"]
    predictive_values: Literal["mercaldo_logit", "clopper_pearson", "wilson"]
    kaplan_meier: Literal["log_log", "log", "plain"]


class BootstrapRules(FileModel):
    """Resampling: how often, what is drawn, from which seed."""

    resamples: Annotated[Whole, Field(ge=0, le=1_000_000)]
    unit: Literal["patient", "lesion"]
    seed: Annotated[Whole, Field(ge=0, lt=2**63)]


class PlanFile(FileModel):
    """analysis.yaml, validated."""

    schema_version: SchemaOne = Field(alias="schema")
    endpoints: Endpoints
    covariates: Annotated[tuple[CovariateEntry, ...], Field(max_length=100)]
    cox: CoxRules
    roc: RocRules
    intervals: Intervals
    bootstrap: BootstrapRules

    @model_validator(mode="after")
    def _covariates_once(self) -> Self:
        named = [(entry.name, entry.level) for entry in self.covariates]
        if len(set(named)) < len(named):
            raise refused("a covariate is named twice", "name each covariate once")
        return self

    def plan(self, name: str) -> AnalysisPlan:
        """The plan, as the analysis takes it, under a name."""
        cutoffs = {"lesion": self.roc.fixed_cutoffs_gy.lesion, "patient": self.roc.fixed_cutoffs_gy.patient}
        return AnalysisPlan(
            endpoints=self.endpoints.names,
            time_zero=self.endpoints.time_zero,
            deaths=self.endpoints.deaths,
            covariates=tuple(entry.covariate() for entry in self.covariates),
            ties=self.cox.ties,
            entry=self.cox.entry,
            entry_p=self.cox.entry_p,
            cutoff_convention=self.roc.cutoff,
            fixed_cutoffs_gy=cutoffs,
            auc_ci=self.roc.auc_ci,
            proportions=self.intervals.proportions,
            predictive_values=self.intervals.predictive_values,
            kaplan_meier=self.intervals.kaplan_meier,
            bootstrap_resamples=self.bootstrap.resamples,
            bootstrap_unit=self.bootstrap.unit,
            seed=self.bootstrap.seed,
            name=name,
        )


def read_plan(path: Path | None) -> AnalysisPlan:
    """The plan that a YAML file declares; without one, the paper's. Every field has to be stated: a plan has no defaults.

    Raises
    ------
    ConfigurationError
        A field is missing, unknown, or not one of the methods that there are; names file and field.
    """
    chosen = PAPER if path is None else path
    return validated(PlanFile, read_yaml(chosen), chosen).plan(chosen.name)
