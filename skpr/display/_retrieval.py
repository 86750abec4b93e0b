"""Plot of one retrieved pattern on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import as_batch
from .._tensors import to_tensor
from .._typing import Batch
from .._validation import short
from ..iterative import combine_reconstructions
from ..measurement import Grid, to_centred
from ._page import draw_page
from ._pictures import as_array, as_picture, new_axes, with_grey_gaps

if TYPE_CHECKING:
    from ..files import Geometry
    from ..iterative import Combination
# largest multiple of the Fourier error at the retrieval, and what is added for full and for partial
# coherence; an object with a larger error is not that of the pattern
BEYOND = 1.5, 0.05, 0.5


class RetrievalDisplay:
    r"""Pattern, object, deviations and errors of one retrieval.

    Parameters
    ----------
    magnitudes : ndarray of shape fourier_shape
        Magnitudes of the pattern; NaN where unmeasured.
    object : ndarray of shape object_shape
        Retrieved object.
    starts : ndarray of shape (n_starts, \*object_shape)
        Results of the starts, registered to the object.
    deviations : ndarray of shape object_shape
        Standard deviation of each pixel.
    errors : ndarray of shape (n_starts,)
        Errors by which the starts are judged.
    verdict : str
        Verdict on the starts in one line, the title of the page.
    errors_name : str, default="Fourier error"
    combination : Combination, optional
        Agreement of the starts, for a full page.
    geometry : Geometry, optional
        Geometry of the experiment, for a full page whose lengths are in nm.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    axes_ : ndarray of matplotlib.axes.Axes of shape (2, 2), or dict of them
        A dict by name for a full page: "agreement", "starts", "words", and "pattern 0", "modulus 0"
        and so on, one for each plane.

    Notes
    -----
    Four pictures show complex objects by their modulus, and three-dimensional ones by their middle
    slice. A full page shows the phase, too, three planes of a volume through the centre of mass,
    and the agreement of the starts with the resolution.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skpr import FourierMagnitude, IterativePhaseRetrieval
    >>> X = FourierMagnitude().fit_transform(np.random.default_rng(0).random((2, 8, 8)))
    >>> found = IterativePhaseRetrieval(n_iter=20, n_starts=2, random_state=0).fit(X).retrieve(X)
    >>> RetrievalDisplay.from_retrieval(found, X, pattern=1).verdict.startswith("pattern 1: ")
    True
    """

    def __init__(
        self,
        magnitudes,
        object,
        starts,
        deviations,
        errors,
        verdict,
        errors_name="Fourier error",
        combination=None,
        geometry=None,
    ):
        self.magnitudes = magnitudes
        self.object = object
        self.starts = starts
        self.deviations = deviations
        self.errors = errors
        self.verdict = verdict
        self.errors_name = errors_name
        self.combination = combination
        self.geometry = geometry

    @classmethod
    def from_retrieval(
        cls,
        found: Any,
        X: Batch,
        *,
        pattern: int = 0,
        deviations: Any = None,
        combination: Combination | None = None,
        geometry: Geometry | None = None,
        **plot_params: Any,
    ) -> RetrievalDisplay:
        r"""Plot one pattern of a retrieval.

        Parameters
        ----------
        found : Retrieval
            Result of :meth:`skpr.IterativePhaseRetrieval.retrieve`.
        X : array-like or torch.Tensor of shape (n_samples, \*fourier_shape)
            Magnitudes of the patterns that were retrieved. A pattern is drawn with zero frequency
            in the middle.
        pattern : int, default=0
            Index of the pattern.
        deviations : array-like of shape (n_samples, \*object_shape), optional
            Standard deviations of the pixels, as :func:`skpr.iterative.uncertainty` gives them;
            those of the registered starts if not given.
        combination : Combination, optional
            Agreement of the starts of this pattern, as
            :func:`skpr.iterative.combine_reconstructions` gives it. If given, a full page is drawn.
        geometry : Geometry, optional
            Geometry that :func:`skpr.files.read_diffraction` returns, for lengths in nm on a full
            page.
        **plot_params
            Passed to :meth:`plot`.

        Returns
        -------
        RetrievalDisplay

        Raises
        ------
        TypeError
            If `found` is not a Retrieval, or `combination` not a Combination.
        ValueError
            If there is no such pattern, or `X` or `deviations` do not fit `found`.
        """
        if not hasattr(found, "starts"):
            raise TypeError(
                f"found is {type(found).__name__}; give the Retrieval that retrieve(X) returns"
            )
        n_samples, X = len(found.errors), as_batch(X)
        if len(X) != n_samples:
            raise ValueError(
                f"X holds {len(X)} patterns, but found holds {n_samples} objects; give the same "
                f"patterns"
            )
        if combination is not None and not hasattr(combination, "transfer_function"):
            raise TypeError(
                f"combination={short(combination)} is not valid; give what combine_reconstructions "
                "returns"
            )
        is_index = isinstance(pattern, int | np.integer) and not isinstance(pattern, bool)
        if not is_index or not -n_samples <= pattern < n_samples:
            raise ValueError(
                f"pattern={short(pattern)} is not valid; give an integer from 0 to {n_samples - 1}"
            )
        number = int(pattern) % n_samples
        x, starts = as_array(found.objects[number]), as_array(found.starts[number])
        magnitudes = as_array(X[number])
        if getattr(found, "centered", None) is False:
            magnitudes = to_centred(to_tensor(magnitudes[None]))[0].numpy()
        _check_together(magnitudes, x, found.errors[number], found.coherence is not None, number)
        finished = np.asarray(found.finished[number]) & starts.reshape(len(starts), -1).any(axis=1)
        registered = starts[finished]
        if x.any() and len(registered):
            both = np.concatenate([x[None], registered])
            known = combine_reconstructions(
                both, errors=[0.0] + [1.0] * len(registered), subpixel=True
            )
            registered = known.registered[1:]
        if deviations is None:
            spread = np.square(np.abs(registered - x)).sum(axis=0) / max(len(registered) - 1, 1)
            deviations = np.sqrt(spread) if len(registered) else np.zeros(x.shape)
        else:
            given, deviations = deviations, as_array(deviations)
            if deviations.shape != tuple(found.objects.shape):
                raise ValueError(
                    f"deviations={short(given)} is not valid; give one for each pixel of found, of "
                    f"shape {tuple(found.objects.shape)}"
                )
            deviations = deviations[number]
        errors, name = found.start_errors[number], "Fourier error"
        if found.free_errors is not None and not np.isnan(found.free_errors[number]).all():
            errors, name = found.free_errors[number], "error on pixels held out"
        verdict = found.summary().splitlines()[number]
        page = {"errors_name": name, "combination": combination, "geometry": geometry}
        return cls(magnitudes, x, registered, deviations, errors, verdict, **page).plot(
            **plot_params
        )

    def plot(
        self,
        *,
        axes: Any = None,
        cmap: Any = "inferno",
        title: str = "",
        notes: Sequence[str] = (),
    ) -> RetrievalDisplay:
        """Draw the page.

        Parameters
        ----------
        axes : ndarray of matplotlib.axes.Axes of shape (2, 2), optional
            Axes to draw four pictures on; a new figure if not given, which is a full page if there
            is a combination.
        cmap : str or matplotlib colour map
            Colour map of the pattern, the object and the deviations.
        title : str, default=""
            Title of a full page.
        notes : sequence of str, default=()
            Further sentences for a full page.

        Returns
        -------
        self
        """
        if axes is None and self.combination is not None:
            self.axes_ = draw_page(self, cmap, title, notes)
            self.figure_ = self.axes_["words"].figure
            return self
        if axes is None:
            axes = new_axes(2, 2, figsize=(8, 7))
        axes = np.asarray(axes)
        if axes.size != 4:
            raise ValueError(f"axes has shape {axes.shape}; a page needs axes of shape (2, 2)")
        axes = axes.reshape(2, 2)
        figure = axes[0, 0].figure
        pictures = {
            "log magnitude": np.log1p(np.ma.masked_invalid(as_picture(self.magnitudes))),
            "object": as_picture(self.object),
            "standard deviation": as_picture(self.deviations),
        }
        for ax, (title, picture) in zip(axes.flat, pictures.items(), strict=False):
            figure.colorbar(ax.imshow(picture, cmap=with_grey_gaps(cmap)), ax=ax, shrink=0.8)
            ax.set_title(title, fontsize=10)
            ax.set_xticks([])
            ax.set_yticks([])
        ordered = np.sort(self.errors[np.isfinite(self.errors)])
        axes[1, 1].plot(np.arange(1, len(ordered) + 1), ordered, "o-")
        axes[1, 1].set(xlabel="start, best first", ylabel=self.errors_name)
        axes[1, 1].set_title("starts", fontsize=10)
        figure.suptitle(self.verdict, fontsize=9, wrap=True)
        self.axes_, self.figure_ = axes, figure
        return self


def _check_together(magnitudes, x, error, is_blurred, number):
    """Refuse a pattern that is in neither order that of the object."""
    moduli = Grid(x.shape, magnitudes.shape).magnitudes(to_tensor(x[None]))[0].numpy()
    known = np.isfinite(magnitudes)
    norm = np.linalg.norm(magnitudes[known])
    errors = [
        np.linalg.norm((one - magnitudes)[known]) / norm if norm > 0 else 0.0
        for one in (moduli, np.fft.ifftshift(moduli))
    ]
    if min(errors) > BEYOND[0] * error + BEYOND[1 + is_blurred]:
        raise ValueError(
            f"X does not hold the patterns of found: object {number} has a Fourier error of "
            f"{min(errors):.3g} with its pattern, and had {error:.3g} when it was retrieved"
        )
