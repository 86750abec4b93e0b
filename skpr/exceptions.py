"""Errors and warnings that are the package's own."""

__all__ = ["ModelFileError", "VersionWarning"]


class ModelFileError(ValueError):
    """A file of a model or a checkpoint that is damaged, of another kind or of a later version.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skpr.persistence import load_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "model.skpr"
    ...     _ = path.write_bytes(b"something else")
    ...     try:
    ...         load_model(path)
    ...     except ModelFileError:
    ...         print("refused")
    refused
    """


class VersionWarning(UserWarning):
    """A model that another version of the package wrote, whose predictions may differ.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("ignore", VersionWarning)  # to read such files without a word
    """
