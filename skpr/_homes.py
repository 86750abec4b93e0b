"""Public classes belong to the package that exports them, wherever in it they are defined: files
name them by it.
"""

import importlib


def settle(*packages):
    """Let the public classes of packages say that they are at home there."""
    for name in packages:
        package = importlib.import_module(name)
        for public in package.__all__:
            value = getattr(package, public)
            if isinstance(value, type) and value.__module__.startswith(f"{name}._"):
                value.__module__ = name
