"""What can go wrong, as one tree. A person sees the message alone: one line that says what to do.

LlmosError
├── UsageError               the words of a command are off (exit 2)
│   └── SpecError            a spec is off: path, value, what was expected (exit 2)
├── AgentError               an agent could not be asked
│   ├── AgentUnreachable     nobody answers at that address
│   ├── AgentIncompatible    it speaks another version of the protocol
│   └── RequestRefused       it answered, and said no
├── FrameError               bytes that are no frame of ours
├── StateFolderError         the state folder cannot be used
├── RecordsError             the database cannot be used
├── LaunchError              a task could not be started
└── ArtifactError            an artifact or its store is not what it should be
    └── ArtifactMissing      a store has no such artifact, or no such file
"""


class LlmosError(Exception):
    """Anything llmos tells a person about in one line."""

    exit_code = 1


class UsageError(LlmosError):
    """The words of a command are off."""

    exit_code = 2


class SpecError(UsageError):
    """A spec is off. The message names the path, the value and what was expected."""


class AgentError(LlmosError):
    """An agent could not be asked."""


class AgentUnreachable(AgentError):
    """Nobody answers at that address."""


class AgentIncompatible(AgentError):
    """The agent speaks another version of the protocol."""


class RequestRefused(AgentError):
    """The agent answered, and said no.

    `status` is the HTTP status: 404 for what does not exist, 409 for what the present state does
    not allow, 400 for a request that is off.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class FrameError(LlmosError):
    """Bytes that are no frame of ours: truncated, of another version, or too long."""


class StateFolderError(LlmosError):
    """The state folder cannot be used: unwritable, full, or on a network file system."""


class RecordsError(LlmosError):
    """The database cannot be used."""


class LaunchError(LlmosError):
    """A task could not be started."""


class ArtifactError(LlmosError):
    """An artifact or its store is not what it should be, or cannot be read or written."""


class ArtifactMissing(ArtifactError):
    """A store has no such artifact, or no such file."""
