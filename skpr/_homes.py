"""Module names of public classes.

A public class takes the name of the package that exports it, not of the private module that
defines it. Files refer to classes by these names.
"""

import importlib


def settle(*packages):
    """Set the `__module__` of public classes to their package."""
    for name in packages:
        package = importlib.import_module(name)
        for public in package.__all__:
            value = getattr(package, public)
            if isinstance(value, type) and value.__module__.startswith(f"{name}._"):
                value.__module__ = name
