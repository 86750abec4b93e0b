"""Code that a user may write, checked by mypy and never run.

Annotations must find each ignored error.
"""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.pipeline import Pipeline

from skpr import (
    FourierMagnitude,
    IterativePhaseRetrieval,
    LazyBatch,
    PhaseRetrievalRegressor,
    ShiftFlipAugmenter,
    SymmetryCanonicalizer,
    make_phase_retriever,
)
from skpr.datasets import load_digit_objects, make_crystals
from skpr.metrics import relative_error
from skpr.persistence import load_model, save_model
from skpr.symmetry import register

if TYPE_CHECKING:
    digits: np.ndarray = load_digit_objects().data
    objects = ShiftFlipAugmenter(frame_shape=24, random_state=0).fit(digits).transform(digits)
    model: Pipeline = make_phase_retriever(
        "unet", max_epochs=3, random_state=np.random.RandomState(0)
    )
    model.fit(objects, objects)
    error: float = relative_error(objects, model.predict(objects))

    magnitudes = FourierMagnitude(fourier_shape=(48, 48)).fit(objects).transform(objects)
    canonical = SymmetryCanonicalizer(shift="box", flip=None).fit(objects).transform(objects)
    net = PhaseRetrievalRegressor("mlp", checkpoint="run.checkpoint").fit(magnitudes, canonical)
    predictions: np.ndarray = net.predict(magnitudes[:3])
    found = (
        IterativePhaseRetrieval(support="shrinkwrap", n_starts=4)
        .fit(magnitudes)
        .retrieve(magnitudes, init=predictions)
    )
    registered, element = register(found.objects, objects)
    shifts = element.shift
    save_model(net, "model.skpr")
    again = load_model("model.skpr", trusted=["my.Module"])
    crystals = make_crystals(3, shape=(32, 32), random_state=1).data
    on_disk = LazyBatch(np.load("objects.npy", mmap_mode="r"))
    FourierMagnitude().fit(on_disk)
    score: float = net.score(magnitudes, objects)

    make_phase_retriever(preset=3)  # type: ignore[arg-type]
    FourierMagnitude(oversampling="two")  # type: ignore[arg-type]
    SymmetryCanonicalizer(max_iter=[])  # type: ignore[arg-type]
    net.fit()  # type: ignore[call-arg]
    make_crystals(shape=3)  # type: ignore[arg-type]
    print(found.object_s)  # type: ignore[attr-defined]
    wrong: str = net.score(magnitudes, objects)  # type: ignore[assignment]
