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
    program = msgspec.structs.replace(
        request.program, environment=_cleaned(request.program.environment)
    )
    return msgspec.structs.replace(request, program=program, spec=_cleaned_spec(request.spec))


def lacks_secrets(request: JobRequest) -> bool:
    """Whether a secret was left out of this request."""
    return NOT_STORED in request.program.environment.values()


def _cleaned(environment: dict[str, Any]) -> dict[str, Any]:
    return {
        name: NOT_STORED if is_secret(name) or _holds_password(value) else value
        for name, value in environment.items()
    }


def _holds_password(value: object) -> bool:
    return isinstance(value, str) and _SECRET_VALUE.match(value) is not None


def _cleaned_spec(spec: Any) -> Any:
    """A spec without its secrets: in tables named environment, and under names in capitals.

    Elsewhere a name such as `pad_token` is a setting and no secret.
    """
    if isinstance(spec, list):
        return [_cleaned_spec(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    cleaned: dict[str, Any] = {}
    for name, value in spec.items():
        if name == "environment" and isinstance(value, dict):
            cleaned[name] = _cleaned(value)
        elif isinstance(value, str) and name.isupper() and is_secret(name):
            cleaned[name] = NOT_STORED
        else:
            cleaned[name] = _cleaned_spec(value)
    return cleaned
