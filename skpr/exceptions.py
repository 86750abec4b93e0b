"""Errors that are the package's own."""

__all__ = ["ModelFileError"]


class ModelFileError(ValueError):
    """A file of a model or a checkpoint that is damaged, of another kind or of a later version."""
