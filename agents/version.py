"""The version of this llmos, as its distribution says."""

from importlib.metadata import PackageNotFoundError, version


def llmos_version() -> str:
    """As "0.1.0"; "0+unknown" when run from a checkout that is not installed."""
    try:
        return version("llmos")
    except PackageNotFoundError:
        return "0+unknown"
