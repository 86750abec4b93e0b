"""Declarations of an HDF5 file about its frames, by CXI and NeXus."""

from __future__ import annotations

import re

from ._candidates import could_be_frames, once

CXI_DATA = r"entry_\d+/(instrument_\d+/detector_\d+|data_\d+)/data"
CXI_IMAGE = r"entry_\d+/image_\d+/data"


def of_cxi(file, found):
    """Return the frames that CXI declares: data of a detector, or images."""
    candidates = [one for one in found if re.fullmatch(CXI_DATA, one.name) and could_be_frames(one)]
    detectors = once([one for one in candidates if "/detector_" in one.name])
    chosen = {one.identity for one in candidates if "/detector_" not in one.name}
    if len(detectors) > 1:  # the link data_1 shows which of several is meant
        detectors = [one for one in detectors if one.identity in chosen]
    if len(detectors) == 1:
        return detectors
    others = once(candidates)
    if not others:
        others = once(
            [one for one in found if re.fullmatch(CXI_IMAGE, one.name) and could_be_frames(one)]
        )
        return others if len({one.shape for one in others}) == 1 else []
    return others if len(others) == 1 else []


def of_nexus(file, found):
    """Return the frames that the attributes of NeXus declare."""
    import h5py

    groups = [file]
    file.visititems(lambda _, item: groups.append(item) if isinstance(item, h5py.Group) else None)
    if not any("default" in group.attrs or "NX_class" in group.attrs for group in groups):
        return []
    try:
        from silx.io.nxdata import get_default
    except ImportError as error:
        raise ImportError(
            "reading the attributes of NeXus needs silx: pip install 'skpr[io]'"
        ) from error
    try:
        default = get_default(file, validate=False)
        group = None if default is None else default.group
    except Exception:  # an attribute that is not a name, axes that are missing, or no signal
        group = _followed(file)
    if group is not None:
        parts = of_signal(group, group.name.strip("/"), found)
        if parts:
            return parts
    plots = [
        group
        for group in groups
        if attribute(group, "NX_class") == "NXdata" or "signal" in group.attrs
    ]
    stacks = [of_signal(group, group.name.strip("/"), found) for group in plots]
    stacks = {
        tuple(one.identity for one in stack if not one.missing): stack for stack in stacks if stack
    }
    return next(iter(stacks.values())) if len(stacks) == 1 else []


def _followed(group):
    """Return the group with a signal that the attributes `default` lead to.

    None if they lead to nothing, or back to themselves.
    """
    import h5py

    seen = []
    while isinstance(group, h5py.Group) and group not in seen:
        seen.append(group)
        name = attribute(group, "default")
        if not isinstance(name, str):
            return group if "signal" in group.attrs else None
        try:
            group = group.get(name)
        except (RuntimeError, ValueError):
            return None
    return None


def of_signal(group, name, found):
    """Return the data sets that the signal of a group names.

    If its name is numbered, all numbered data sets of the group are returned.
    """
    signal = attribute(group, "signal")
    inside = [one for one in found if one.parent == name]
    if signal is None:  # older files mark the data set itself with signal=1
        marked = [
            one
            for one in inside
            if not one.missing and str(attribute(one.dataset, "signal")) == "1"
        ]
        signal = marked[0].last if marked else None
    parts = [one for one in inside if one.last == signal]
    if not parts or (not parts[0].missing and not could_be_frames(parts[0])):
        return []
    if re.fullmatch(r"data_?\d+", signal):
        return [one for one in inside if re.fullmatch(r"data_?\d+", one.last)]
    return parts


def attribute(item, name):
    """Return an attribute, with bytes as text; None if missing.

    The first value is returned if an attribute has several.
    """
    try:
        value = item.attrs.get(name)
    except (OSError, TypeError, ValueError):  # damaged, or of a type that NumPy lacks
        return None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if hasattr(value, "tolist"):
        value = value.tolist()
        value = value[0] if isinstance(value, list) and value else value
        return value.decode(errors="replace") if isinstance(value, bytes) else value
    return value


class Images:
    """Images of a CXI file, which are patterns or reconstructions."""

    def __init__(self, file, found):
        self.groups = {
            one.parent: file[one.parent] for one in found if re.fullmatch(CXI_IMAGE, one.name)
        }
        self.reconstructions = [
            name for name, group in self.groups.items() if not self._is_pattern(group)
        ]
        self.places = {
            one.identity
            for one in found
            if not one.missing
            and any(one.name.startswith(f"{name}/") for name in self.reconstructions)
        }

    @staticmethod
    def _is_pattern(group):
        return small_text(group, "data_space").lower() in ("diffraction", "reciprocal", "fourier")

    def is_reconstruction(self, one):
        """Return whether a name leads to a part of a reconstruction."""
        return not one.missing and one.identity in self.places

    def values_of(self, parts, found):
        """Return the `content` and `centered` that an image states."""
        places = {
            one.identity: one.parent
            for one in found
            if one.parent in self.groups and one.last == "data"
        }
        home = places.get(parts[0].identity)
        if home is None or home in self.reconstructions:
            return "counts", True
        group = self.groups[home]
        content = (
            "magnitudes" if "amplitude" in small_text(group, "data_type").lower() else "counts"
        )
        return content, small_text(group, "is_fft_shifted") not in ("1", "1.0", "True")


def small_text(group, name):
    """Return the text of a data set with one value; empty if there is none."""
    import h5py

    item = group.get(name)
    if not isinstance(item, h5py.Dataset) or item.size is None or item.size != 1:
        return ""
    value = item[()]
    value = value.item() if hasattr(value, "item") else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
