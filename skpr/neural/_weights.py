"""Weight files from which a network can be built."""

import os

import torch
from skorch.history import History

from ..measurement import boundary_of
from ._generators import kept_generators
from ._scaling import check_same_facts, stored_facts
from ._skorch import SkorchRegressor

FACTS = "_extra_state"  # key of a network's facts in its `state_dict`
COMPILED = "_orig_mod."  # prefix of every key of a module compiled by PyTorch
STATISTICS = "mean", "deviation", "gain", "shares"


class WeightFiles(SkorchRegressor):
    """Loading of weights into a network that was never fitted."""

    def load_params(
        self,
        f_params=None,
        f_optimizer=None,
        f_criterion=None,
        f_history=None,
        checkpoint=None,
        use_safetensors=False,
        **kwargs,
    ):
        """Load weights from `save_params` or from skorch's `Checkpoint`.

        No previous `fit` is needed: where there is no network yet, one is built for the shapes,
        scaling and kind of objects that are saved with the weights. The parameters `module` and
        `module__...` must be those of the saved network.

        Parameters
        ----------
        f_params, f_optimizer, f_criterion, f_history, checkpoint, use_safetensors, **kwargs
            See :meth:`skorch.NeuralNet.load_params`.

        Raises
        ------
        ValueError
            For weights of a network with other parameters or shapes, and for files without shapes
            where there is no network yet.
        """
        files = {
            "f_params": f_params,
            "f_optimizer": f_optimizer,
            "f_criterion": f_criterion,
            "f_history": f_history,
        }
        with self._resolved():
            source = f_params
            if checkpoint is not None and source is None:
                source = self._checkpoint_file(checkpoint)
            saved = None if source is None else self._read(source, use_safetensors)
            if saved is not None and FACTS in saved:
                self._build_for(saved)
            elif saved is not None and not self.initialized_:
                raise ValueError(
                    f"{source!r} holds no shapes, which save_params of this class writes: fit the "
                    "network before weights are loaded into it"
                )
            try:
                super().load_params(
                    **files, checkpoint=checkpoint, use_safetensors=use_safetensors, **kwargs
                )
            except RuntimeError as error:
                first = str(error).splitlines()[:2][-1].strip()
                raise ValueError(
                    "the weights do not belong to the network of "
                    f"module={self.module!r} and its module__... parameters: {first}"
                ) from error
        if saved is not None:
            self.scaling_statistics_ = {
                name: getattr(self.module_, name).cpu().clone() for name in STATISTICS
            }

    def _checkpoint_file(self, checkpoint):
        """Return the weight file written by a callback of skorch."""
        if checkpoint.f_history is not None:
            self.history = History.from_file(checkpoint.f_history_)  # the name may depend on it
        return checkpoint.get_formatted_files(self).get("f_params")

    def _read(self, file, use_safetensors):
        """Read a module's state from a file without moving its position."""
        place = None if isinstance(file, str | os.PathLike) else file.tell()
        if use_safetensors:
            from safetensors.torch import load, load_file

            state = load_file(file) if place is None else load(file.read())
        else:
            state = torch.load(
                file, map_location="cpu", **(self.torch_load_kwargs or {"weights_only": True})
            )
        if place is not None:
            file.seek(place)
        return as_if_not_compiled(state)

    def _build_for(self, saved):
        """Build the network of saved weights, or check the present one."""
        facts = stored_facts(saved[FACTS])
        present = {name: getattr(self, name) for name in ("magnitude_scaling", "centered")}
        check_same_facts({name: facts[name] for name in present}, present)
        if self.initialized_:
            check_same_facts(
                facts, stored_facts(as_if_not_compiled(self.module_.state_dict())[FACTS])
            )
            return
        self.fourier_shape_, self.object_shape_ = facts["fourier_shape"], facts["object_shape"]
        self.n_features_in_ = self.fourier_shape_[0]
        self.is_complex_, self.is_non_negative_ = facts["n_channels"] == 2, facts["non_negative"]
        self.unmeasured_, self.symmetries_ = facts["unmeasured"], facts["symmetries"]
        self.centered_, self.magnitude_scaling_ = facts["centered"], facts["magnitude_scaling"]
        self.boundary_ = boundary_of(self.object_shape_, self.fourier_shape_)
        self.scaling_statistics_ = {name: saved[name].clone() for name in STATISTICS}
        self.generator_ = self.augmenter_ = self.detector_ = None
        with kept_generators():  # initial weights are drawn, then replaced
            self.initialize()


def as_if_not_compiled(state):
    """Return a state under the names of an uncompiled module."""
    return {name.removeprefix(COMPILED): value for name, value in state.items()}
