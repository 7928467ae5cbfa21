"""Secrets are found by name, in the forms in which programs print their values."""

import json
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from llmos.agents.node.reports.redaction import SHORTEST, Redaction, secret_values
from llmos.agents.protocol.jobs import JobRequest, Program
from llmos.agents.records.secrets import NOT_STORED


def request(**program: object) -> JobRequest:
    return JobRequest(
        kind="command",
        name="n",
        program=Program(arguments=["x.py"], **program),  # type: ignore[arg-type]
        spec={
            "environment": {"variables": {"my_token": "from-the-spec"}},
            "train": {"pad_token": "not-a-secret", "HF_TOKEN": "in-capitals"},
        },
    )


def test_secrets_are_what_goes_under_a_secrets_name() -> None:
    asked = request(
        environment={
            "WANDB_API_KEY": "from-wandb",
            "HOME": "/home/someone",
            "http_proxy": "http://me:of-the-proxy@proxy:3128/",
        },
        setup="module load cuda; export HF_TOKEN='of the hub' DB_PASSWORD=hunter2222",
        prefix=["podman", "run", "--env", "AWS_SECRET=of-the-cloud", "--env", "LR=0.00001"],
    )
    assert secret_values(asked, {"OTHER_TOKEN": "inherited", "PATH": "/usr/bin"}) == {
        *("from-wandb", "of-the-proxy", "of the hub", "hunter2222", "of-the-cloud"),
        *("from-the-spec", "in-capitals", "inherited"),
    }


def test_short_values_stay_and_longer_secrets_go_first() -> None:
    redaction = Redaction({"on", "12345", "secret", "secret-and-more"})
    assert redaction(b"on 12345") == b"on 12345"
    assert redaction(b"a secret-and-more, secret") == b"a (not stored), (not stored)"
    assert redaction.longest == len("secret-and-more")


def test_every_line_of_a_key_is_a_secret() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"
    assert b"MIIEvQ" not in Redaction({key})(b"line 1: MIIEvQIBADANBg")
    assert b"MIIEvQ" not in Redaction({key})(json.dumps({"key": key}).encode())


def test_without_secrets_nothing_changes() -> None:
    assert Redaction(())(b"text") == b"text"
    assert Redaction(()).longest == 0
    assert Redaction({NOT_STORED})(NOT_STORED.encode()) == NOT_STORED.encode()


SECRETS = st.text(st.characters(codec="utf-8"), min_size=SHORTEST).filter(
    lambda text: text.isprintable() and len(text.strip()) >= SHORTEST and text not in NOT_STORED
)


@given(SECRETS, st.sampled_from((str, repr, json.dumps, quote)))
def test_a_secret_is_found_however_it_is_printed(value: str, form: Callable[[str], str]) -> None:
    quoted = form in (repr, json.dumps)
    printed = (form(value)[1:-1] if quoted else form(value)).encode()
    assert printed not in Redaction({value})(b"<" + printed + b">")
