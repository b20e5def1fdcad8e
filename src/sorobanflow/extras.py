"""Name the extra to install where a package of one is missing.

Invariant: what needs no extra imports only what the wheel's metadata asks for.
"""

from importlib.util import find_spec

from sorobanflow.errors import ConfigurationError


def require(extra: str, *packages: str) -> None:
    """Refuse to go on without the packages of an extra; ConfigurationError names it."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} cannot be imported; "
            f"install it with: pip install 'sorobanflow[{extra}]'"
        )
