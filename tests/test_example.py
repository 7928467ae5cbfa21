"""The thin thread, through the front door: a real model is trained on real text, and judged."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from llmos.tests.conftest import FrontDoor

PATIENCE = 900
"""Seconds: some 80 on two idle cores."""


@pytest.fixture
def trained(llmos: "FrontDoor") -> str:
    """What `llmos run @train-text` printed."""
    process = llmos.start("run", "@train-text")
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return said


def test_the_example_beats_both_counting_models_and_saves_what_transformers_loads(
    llmos: "FrontDoor", trained: str
) -> None:
    record = json.loads(llmos("job", "1", "--json"))["job"]
    results = record["results"]
    assert record["summary"]["state"] == "succeeded"
    assert record["summary"]["ranks"] == 2
    assert results["held_out_perplexity"] < 0.9 * results["bigram_perplexity"]
    assert results["bigram_perplexity"] < results["unigram_perplexity"]
    assert "a sample of what it writes" in trained

    model = Path(record["artifacts"]["model"])
    assert (model / "model.safetensors").is_file()
    assert not list(model.glob("*.bin"))
    text = _generated(model)
    assert len(text) > 50

    curve = next(c for c in _series(llmos) if c["name"] == "loss")
    assert curve["values"][-1] < curve["values"][0]


def _generated(model: Path) -> str:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network: Any = AutoModelForCausalLM.from_pretrained(model)
    start = tokenizer("The", return_tensors="pt").input_ids
    made = network.generate(start, max_new_tokens=40, do_sample=False)
    return str(tokenizer.decode(made[0]))


def _series(llmos: "FrontDoor") -> list[dict[str, Any]]:
    import http.client
    import socket

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(llmos.state / "agent.sock"))

    connection = Connection("agent")
    connection.request("GET", "/v1/jobs/1/series?points=100")
    answer: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    connection.close()
    return answer
