"""The artifacts that a job reads: references pinned to versions, once, so that an alias that moves
changes nothing for a job that was handed in before."""

from collections.abc import Sequence

import msgspec

from ...errors import RequestRefused
from ...protocol.artifacts import ArtifactVersion, parsed_reference
from ...protocol.jobs import Input, JobRequest
from ...records.artifacts import ArtifactRecords


def pinned(records: ArtifactRecords, request: JobRequest) -> dict[str, Input]:
    """The versions that a job reads. Those that are pinned already stay as they are.

    A name alone is the version that a job named by `after` has made, else the newest.

    Raises RequestRefused for a text that is no reference, or names nothing that is known.
    """
    before = [name.partition(":")[0] for name in request.after]
    return {
        reference: kept or _input(_named(records, reference, before))
        for reference, kept in request.inputs.items()
    }


def with_inputs(request: JobRequest, inputs: dict[str, Input]) -> JobRequest:
    """The same job, reading these."""
    return msgspec.structs.replace(request, inputs=dict(inputs))


def _named(records: ArtifactRecords, text: str, before: Sequence[str]) -> ArtifactVersion:
    try:
        reference = parsed_reference(text)
    except ValueError as error:
        raise RequestRefused(f"inputs: {error}") from error
    if reference.name is not None and reference.version is None and reference.alias is None:
        for version in records.versions(reference.name):
            if version.job in before:
                return version
    found = records.find(reference)
    if found is None:
        raise RequestRefused(
            f'there is no artifact "{text}"; `llmos artifacts` lists what there is', status=404
        )
    return found


def _input(version: ArtifactVersion) -> Input:
    return Input(digest=version.digest, uri=version.uri)
