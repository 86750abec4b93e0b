"""Errors and warnings of the package."""

__all__ = ["ModelFileError", "VersionWarning"]


class ModelFileError(ValueError):
    """Error for a model file or checkpoint that cannot be read.

    The file is damaged, of another kind, or written by a later version.

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
    """Warning about a model written by another version of the package.

    Its predictions may differ.

    Examples
    --------
    >>> import warnings
    >>> warnings.simplefilter("ignore", VersionWarning)  # read such files silently
    """
