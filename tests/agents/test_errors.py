"""One tree of errors, as the docstring draws it."""

import re

from llmos.agents import errors


def test_the_docstring_draws_the_tree_that_there_is():
    drawn = {}
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(
            r"((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+Error|Agent\w+|Artifact\w+|RequestRefused)\b", line
        )
        if match:
            depth = len(match[1]) // 4 + ("──" in line)
            stack[depth:] = [match[2]]
            drawn[match[2]] = stack[depth - 1] if depth else "Exception"
    classes = {
        name: value.__mro__[1].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type)
    }
    assert drawn == classes


def test_usage_and_specs_exit_with_two_and_the_rest_with_one():
    assert (errors.UsageError.exit_code, errors.SpecError.exit_code) == (2, 2)
    assert errors.FrameError.exit_code == errors.AgentUnreachable.exit_code == 1
    assert errors.RequestRefused("no", status=404).status == 404
