"""The stream for curl: the same frames as lines of JSON."""

import json

import msgspec

from llmos.agents.protocol.events import Event
from llmos.agents.protocol.frames import Frame, Kind
from llmos.agents.protocol.lines import frame_line
from llmos.agents.protocol.samples import pack_sample


def line(frame: Frame):
    text = frame_line(frame)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    return json.loads(text)


def test_a_sample_has_its_figures_by_name_and_null_where_absent():
    payload = pack_sample([{"slot": 0, "cpu": 12.5}], [{"slot": 0, "index": 1, "power": 0}])
    read = line(Frame(Kind.SAMPLE, payload, seq=9, wall=17.25))
    assert (read["what"], read["seq"], read["time"]) == ("sample", 9, 17.25)
    assert (read["nodes"][0]["cpu"], read["nodes"][0]["load"]) == (12.5, None)
    assert (read["gpus"][0]["power"], read["gpus"][0]["temperature"]) == (0, None)


def test_what_is_a_struct_has_its_keys_under_content():
    event = Event(time=1.0, node="n", source="gpu 1", what="xid", text="a\nb", number=79)
    read = line(Frame(Kind.EVENT, msgspec.msgpack.encode(event)))
    assert (read["what"], read["content"]["number"]) == ("event", 79)


def test_a_beat_has_no_content():
    assert line(Frame(Kind.BEAT, wall=2.0)) == {"what": "beat", "seq": 0, "time": 2.0}
