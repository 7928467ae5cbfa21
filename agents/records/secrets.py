"""Which values are secrets, by the name that they go under, and what is stored in their place."""

import re
from typing import Any, Final

import msgspec

from ..protocol.jobs import JobRequest

NOT_STORED: Final = "(not stored)"
"""Stands for a secret in database, screen and bundle."""

_SECRET_NAME: Final = re.compile(
    r"(.*_)?(TOKEN|KEY|SECRET|PAT|AUTH|CREDENTIAL|PASSPHRASE)S?(_ID)?|.*PASSW(OR)?D.*|.*SECRET.*"
)

_SECRET_VALUE: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s@]*:[^/\s@]+@")
"""An address with a password in it, as in http_proxy or DATABASE_URL."""


def is_secret(variable: str) -> bool:
    """Whether an environment variable's name says that its value is a secret."""
    return _SECRET_NAME.fullmatch(variable.upper()) is not None


def without_secrets(request: JobRequest) -> JobRequest:
    """The request as it may be stored and shown."""
    environment = _cleaned(request.program.environment, variables=True)
    program = msgspec.structs.replace(request.program, environment=environment)
    return msgspec.structs.replace(request, program=program, spec=_cleaned(request.spec))


def lacks_secrets(request: JobRequest) -> bool:
    """Whether a secret was left out of this request."""
    return _left_out(request.program.environment) or _left_out(request.spec)


def _left_out(content: Any) -> bool:
    if isinstance(content, list):
        return any(map(_left_out, content))
    if isinstance(content, dict):
        return any(map(_left_out, content.values()))
    return bool(content == NOT_STORED)


def _cleaned(content: Any, *, variables: bool = False) -> Any:
    """A part of a spec without its secrets.

    In tables named environment, and all below, any name may be a variable's. Elsewhere only one in
    capitals is: `pad_token` is a setting.
    """
    if isinstance(content, list):
        return [_cleaned(item, variables=variables) for item in content]
    if isinstance(content, dict):
        return {
            name: NOT_STORED
            if is_secret(name) and (variables or name.isupper())
            else _cleaned(value, variables=variables or name == "environment")
            for name, value in content.items()
        }
    return NOT_STORED if variables and _holds_password(content) else content


def _holds_password(value: object) -> bool:
    return isinstance(value, str) and _SECRET_VALUE.match(value) is not None
