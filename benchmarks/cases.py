"""What is compared: for each case the same input, our call, the peer's call, and how far their outputs are apart.

Data are made by a fixed seed. Imports stand inside the functions, so that a first use can time them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import convolution_case as convolution
import memory
import reading_case as reading

SEED = 20261124


@dataclass(frozen=True)
class Case:
    """One comparison: ``prepare`` makes the input, ``ours`` and ``peer`` import and return a call on it.

    ``agreement`` gives the greatest difference of the outputs in words and as a number; ``limit`` is how large it may be.
    ``times_faster``: for sizes that have a target, how many times faster than the peer ours is to be;
    ``at_most``: how many times the peer's seconds ours may take.
    """

    name: str
    what: str
    peer_name: str
    sizes: dict[str, tuple[str, ...]]
    prepare: Callable[[str], Any]
    ours: Callable[[Any], Callable[[], Any]]
    peer: Callable[[Any], Callable[[], Any]]
    agreement: Callable[[Any, Any], dict[str, float]]
    limit: float
    note: str = ""
    times_faster: dict[str, float] = field(default_factory=dict)
    at_most: dict[str, float] = field(default_factory=dict)


def _relative(ours: Any, peer: Any) -> float:
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(peer, dtype=np.float64)
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-300)))


# ---------------------------------------------------------------- Cox
COX_NAMES = ("grade 2", "grade 3", "pancreas", "dose")


def _cox_data(size: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times in whole and tenth months (ties), about a third censored, two factors and a number."""
    n = int(size)
    rng = np.random.default_rng(SEED)
    grade = rng.choice(3, size=n, p=(0.33, 0.6, 0.07))
    x = np.column_stack((grade == 1, grade == 2, rng.random(n) < 0.25, rng.lognormal(0.8, 0.5, n))).astype(np.float64)
    hazard = 0.03 * np.exp(x @ np.array([0.5, 1.2, 0.4, -0.2]))
    months = np.maximum(0.1, np.round(rng.exponential(1.0 / hazard), 1))
    censored = np.round(rng.uniform(6.0, 90.0, n), 1)
    return np.minimum(months, censored), months <= censored, x


def _cox_ours(data: Any) -> Callable[[], Any]:
    from ytterby.stats.cox import cox

    time_months, event, x = data
    return lambda: cox(time_months, event, x, names=COX_NAMES, ties="efron")


def _cox_peer(data: Any) -> Callable[[], Any]:
    import pandas as pd
    from lifelines import CoxPHFitter

    time_months, event, x = data
    frame = pd.DataFrame(x, columns=list(COX_NAMES)).assign(months=time_months, event=event.astype(int))
    # lifelines' ties are Efron's; its default precision of 1e-7 is of the gradient's norm.
    return lambda: CoxPHFitter().fit(frame, "months", "event", fit_options={"precision": 1e-10})


def _cox_agreement(ours: Any, peer: Any) -> dict[str, float]:
    return {
        "hazard ratios": _relative([term.hr for term in ours.terms], np.exp(peer.params_[list(COX_NAMES)])),
        "standard errors": _relative([term.se for term in ours.terms], peer.standard_errors_[list(COX_NAMES)]),
        "log likelihood": _relative(ours.log_likelihood, peer.log_likelihood_),
    }


# ---------------------------------------------------------------- ROC
def _scores(size: str) -> tuple[np.ndarray, np.ndarray]:
    """Doses in tenths of a gray (ties), more of them high where there is a response."""
    n = int(size)
    rng = np.random.default_rng(SEED + 1)
    positive = rng.random(n) < 0.65
    return np.round(rng.lognormal(5.0 + 0.6 * positive, 0.5), 1), positive


def _roc_ours(data: Any) -> Callable[[], Any]:
    from ytterby.stats.roc import roc_curve, youden_cutoff

    score, positive = data

    def both() -> tuple[float, float]:
        return roc_curve(score, positive).auc, youden_cutoff(score, positive, convention="at_observed").cutoff

    return both


def _roc_peer(data: Any) -> Callable[[], Any]:
    from sklearn.metrics import roc_auc_score, roc_curve

    score, positive = data

    def both() -> tuple[float, float]:
        false_positive, true_positive, thresholds = roc_curve(positive, score)
        best = int(np.argmax(true_positive - false_positive))
        return float(roc_auc_score(positive, score)), float(thresholds[best])

    return both


def _roc_agreement(ours: Any, peer: Any) -> dict[str, float]:
    return {"AUC": _relative(ours[0], peer[0]), "Youden cut-off": _relative(ours[1], peer[1])}


# ---------------------------------------------------------------- DeLong
def _delong_ours(data: Any) -> Callable[[], Any]:
    from ytterby.stats.roc import delong

    score, positive = data

    def both() -> tuple[float, float]:
        estimate = delong(score, positive)
        return estimate.auc, estimate.se

    return both


def _delong_peer(data: Any) -> Callable[[], Any]:
    """The fast algorithm of Sun and Xu by midranks, as programs that have no DeLong of their own write it."""
    from scipy.stats import rankdata

    score, positive = data

    def both() -> tuple[float, float]:
        x, y = score[positive], score[~positive]
        m, n = x.size, y.size
        together = rankdata(np.concatenate((x, y)))
        v10 = (together[:m] - rankdata(x)) / n
        v01 = 1.0 - (together[m:] - rankdata(y)) / m
        return float(v10.mean()), float(np.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n))

    return both


def _delong_agreement(ours: Any, peer: Any) -> dict[str, float]:
    return {"AUC": _relative(ours[0], peer[0]), "standard error": _relative(ours[1], peer[1])}


# ---------------------------------------------------------------- sampling
@dataclass(frozen=True)
class Scene:
    """An image of counts, and a mask that is finer and turned against it."""

    counts: np.ndarray
    mask: np.ndarray
    image_affine: np.ndarray
    mask_affine: np.ndarray


def _scene(size: str) -> Scene:
    """An oblique SPECT of n^3 voxels over a CT-like mask (an ellipsoid of about a liver's size when n is 128)."""
    n, columns, slices = (int(part) for part in size.split("/"))
    rng = np.random.default_rng(SEED + 2)
    counts = rng.gamma(2.0, 50.0, (n, n, n)).astype(np.float32)
    angle = np.deg2rad(4.0)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    image_affine, mask_affine = np.eye(4), np.eye(4)
    image_affine[:3, :3] = turn * (614.4 / n)
    image_affine[:3, 3] = -image_affine[:3, :3] @ np.full(3, (n - 1) / 2)
    spacing = np.array([400.0 / columns, 400.0 / columns, 400.0 / slices])
    shape = (columns, columns, slices)
    mask_affine[:3, :3] = np.diag(spacing)
    mask_affine[:3, 3] = -spacing * (np.array(shape) - 1) / 2
    axes = np.ogrid[: shape[0], : shape[1], : shape[2]]
    place = [axes[a] * spacing[a] + mask_affine[a, 3] for a in range(3)]
    mask = (place[0] / 95.0) ** 2 + (place[1] / 75.0) ** 2 + (place[2] / 65.0) ** 2 <= 1.0
    return Scene(counts, mask, image_affine, mask_affine)


def _sampling_ours(scene: Scene) -> Callable[[], Any]:
    from ytterby.imaging.sample import sample_linear
    from ytterby.model.segment import Role, Segment
    from ytterby.model.volume import Grid, Quantity, Volume

    shape = (scene.counts.shape[0], scene.counts.shape[1], scene.counts.shape[2])
    image = Volume(scene.counts, Grid(shape, scene.image_affine), Quantity.COUNTS)
    fine = (scene.mask.shape[0], scene.mask.shape[1], scene.mask.shape[2])
    liver = Segment("liver", Role.LIVER, scene.mask, Grid(fine, scene.mask_affine))
    return lambda: sample_linear(image, liver.points(grids=[image.grid])).values


def _sitk_image(array: np.ndarray, affine: np.ndarray) -> Any:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing([float(step) for step in spacing])
    image.SetDirection([float(cosine) for cosine in (affine[:3, :3] / spacing).ravel()])
    image.SetOrigin([float(place) for place in affine[:3, 3]])
    return image


def _sampling_peer(scene: Scene) -> Callable[[], Any]:
    """Resample to the box of the mask, then take what lies in it: only the box, as a careful user would."""
    import SimpleITK as sitk  # noqa: N813

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = _sitk_image(scene.counts, scene.image_affine)
    mask = _sitk_image(scene.mask.astype(np.uint8), scene.mask_affine)

    def values() -> np.ndarray:
        # The box by numpy: SimpleITK's own label filters take 6 to 45 times as long for it.
        (i0, i1), (j0, j1), (k0, k1) = (
            np.flatnonzero(scene.mask.any(axis=others))[[0, -1]].tolist() for others in ((1, 2), (0, 2), (0, 1))
        )
        box = mask[i0 : i1 + 1, j0 : j1 + 1, k0 : k1 + 1]
        moved = sitk.Resample(image, box, sitk.Transform(), sitk.sitkLinear, 0.0)
        # Views need their images alive: both have names.
        inside = sitk.GetArrayViewFromImage(box).transpose(2, 1, 0) > 0
        return np.asarray(sitk.GetArrayViewFromImage(moved).transpose(2, 1, 0)[inside])

    return values


def _sampling_agreement(ours: Any, peer: Any) -> dict[str, float]:
    assert ours.shape == peer.shape
    return {"samples": float(np.max(np.abs(ours - peer)) / np.max(peer)), "mean": _relative(ours.mean(), peer.mean())}


CONVOLUTION = "Kernel convolution of a liver-sized activity (image side / kernel side)"

CASES = (
    Case(
        "cox",
        "Cox model, 4 covariates, Efron's ties",
        "lifelines CoxPHFitter.fit",
        {"full": ("1000", "10000"), "small": ("120",)},
        _cox_data,
        _cox_ours,
        _cox_peer,
        _cox_agreement,
        1e-6,
        "lifelines' fit also makes the baseline hazard; its data frame is made before the clock starts",
    ),
    Case(
        "roc",
        "ROC: area and Youden's cut-off",
        "scikit-learn roc_auc_score + roc_curve",
        {"full": ("126", "10000"), "small": ("126",)},
        _scores,
        _roc_ours,
        _roc_peer,
        _roc_agreement,
        1e-9,
    ),
    Case(
        "delong",
        "AUC with DeLong's standard error",
        "midranks (Sun and Xu) in numpy and scipy",
        {"full": ("126", "10000"), "small": ("126",)},
        _scores,
        _delong_ours,
        _delong_peer,
        _delong_agreement,
        1e-9,
        "no package of the lock has DeLong; the peer is the published algorithm, without checks of its input",
    ),
    Case(
        "sampling",
        "Linear samples of an image at a mask's voxel centres (image side / mask columns / mask slices)",
        "SimpleITK Resample to the mask's box, then the mask",
        {"full": ("128/256/160",), "small": ("24/48/32",)},
        _scene,
        _sampling_ours,
        _sampling_peer,
        _sampling_agreement,
        1e-5,
        "SimpleITK computes in float64 and returns float32, ours float64; one thread each",
    ),
    Case(
        "convolution_scipy",
        CONVOLUTION,
        "scipy.signal.fftconvolve in float64, as in PyTheranostics",
        convolution.SIZES,
        convolution.prepare_size,
        convolution.ours,
        convolution.scipy_fftconvolve_float64,
        convolution.agreement,
        convolution.LIMIT,
        "ours crops to the activity and computes in float32; the activity fills a liver of 1.8 L, a hundredth of the image. "
        "Differences of dose are shares of its maximum",
        convolution.TIMES_FASTER,
    ),
    Case(
        "convolution_numpy",
        CONVOLUTION,
        "numpy.fft.rfftn in float64 on the padded image, as in Taranis",
        convolution.SIZES,
        convolution.prepare_size,
        convolution.ours,
        convolution.numpy_rfftn_float64,
        convolution.agreement,
        convolution.LIMIT,
        times_faster=convolution.TIMES_FASTER,
    ),
    Case(
        "reading",
        "Reading a CT and a SPECT from DICOM (CT columns / CT slices / SPECT frames)",
        "SimpleITK ImageSeriesReader and ReadImage",
        reading.SIZES,
        reading.prepare,
        reading.ours,
        reading.simpleitk,
        reading.agreement,
        reading.LIMIT,
        "both find and order the slices of the folder themselves; ours also looks for what is wrong with the series",
        at_most=reading.AT_MOST,
    ),
)


def first_use(case: Case, side: str, size: str) -> dict[str, float | None]:
    """Seconds of importing what one side needs (with making its own form of the input), and of its first call.

    With it the greatest memory (MiB) in the first call above what the process held before: the input and the imports.
    """
    warnings.simplefilter("ignore")
    data = case.prepare(size)
    begin = time.perf_counter()
    call = (case.ours if side == "ours" else case.peer)(data)
    imports = time.perf_counter() - begin
    held = memory.forget_peak()
    begin = time.perf_counter()
    call()
    seconds = time.perf_counter() - begin
    peak = memory.peak_mib()
    return {"imports": imports, "first_call": seconds, "peak_mib": None if held is None else peak - held}
