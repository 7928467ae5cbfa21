"""What a store makes of frames: facts bind rows, samples fill them."""

import time

import msgspec
import numpy as np

from llmos.agents.fleet.store import Store
from llmos.agents.protocol.events import Event
from llmos.agents.protocol.facts import Detail, Gap, JobFacts
from llmos.agents.protocol.fields import GPU_FIELDS, NODE_FIELDS, Field
from llmos.agents.protocol.frames import Frame, Kind
from llmos.agents.protocol.jobs import JobState, JobSummary, LogPiece, Metric
from llmos.tests.agents.fleet.told import gpu, hello, node, packed, sample


def store(*frames: Frame) -> Store:
    filled = Store()
    for frame in (hello(), *frames):
        filled.apply(frame)
    return filled


def test_a_sample_fills_the_rows_that_facts_have_bound():
    filled = store(
        node(gpus=2),
        sample([{"slot": 0, "cpu": 50}], [gpu(0, 0, power=100), gpu(0, 1, power=0)], wall=7.5),
    )
    assert filled.gpus["power"].tolist() == [100, 0]
    assert np.isnan(filled.gpus["temperature"]).all()
    assert filled.nodes["cpu"].tolist() == [50]
    assert filled.rows(0) == range(2)
    assert filled.slot_of_row(1) == 0
    assert filled.sampled == 7.5


def test_the_order_of_records_does_not_matter():
    filled = store(
        node(0, gpus=2), node(1, gpus=1), sample([], [gpu(1, 0, fan=3), gpu(0, 1, fan=2)])
    )
    np.testing.assert_array_equal(filled.gpus["fan"], [np.nan, 2, 3])


def test_records_that_nothing_has_bound_are_counted_and_left_out():
    strangers = [gpu(1, 0, fan=9), gpu(0, 2, fan=9), gpu(65535, 0, fan=9), gpu(0, 255, fan=9)]
    filled = store(
        node(0, gpus=2),
        node(2, gpus=0),
        sample(
            [{"slot": 1, "cpu": 9}, {"slot": 7, "cpu": 9}, {"slot": None, "cpu": 9}],
            [*strangers, gpu(2, 0, fan=9), gpu(0, 0, fan=1), {"slot": 0, "index": None, "fan": 9}],
        ),
    )
    assert filled.quarantined == 3 + 6
    assert np.isnan(filled.nodes["cpu"]).all()
    np.testing.assert_array_equal(filled.gpus["fan"], [1, np.nan])


def test_a_sample_before_any_facts_is_left_out():
    filled = store(sample([{"slot": 0, "cpu": 9}], [gpu(0, 0, fan=9)]))
    assert (filled.quarantined, filled.nodes.rows, filled.gpus.rows) == (2, 0, 0)


def test_a_node_with_more_gpus_than_before():
    filled = store(node(0, gpus=1), sample([], [gpu(0, 0, fan=1)]))
    filled.apply(node(0, gpus=3))
    assert filled.rows(0) == range(3)
    np.testing.assert_array_equal(filled.gpus["fan"], [1, np.nan, np.nan])


def test_a_node_between_others_moves_when_it_grows_and_leaves_nothing_behind():
    filled = store(node(0, gpus=1), node(1, gpus=1))
    filled.apply(sample([], [gpu(0, 0, fan=1), gpu(1, 0, fan=2)]))
    filled.apply(node(0, gpus=2))
    assert (filled.rows(0), filled.rows(1)) == (range(2, 4), range(1, 2))
    filled.apply(sample([], [gpu(0, 0, fan=3), gpu(0, 1, fan=4), gpu(1, 0, fan=5)]))
    np.testing.assert_array_equal(filled.gpus["fan"], [np.nan, 5, 3, 4])
    assert [filled.slot_of_row(row) for row in (1, 2, 3)] == [1, 0, 0]


def test_a_gpu_that_is_gone_has_no_figures():
    filled = store(node(0, gpus=2), sample([], [gpu(0, 0, fan=1), gpu(0, 1, fan=2)]))
    filled.apply(node(0, gpus=1))
    assert filled.rows(0) == range(1)
    np.testing.assert_array_equal(filled.gpus["fan"], [1, np.nan])


def test_gpus_that_come_and_go_use_the_same_rows():
    filled = store(node(0, gpus=8), node(1, gpus=8))
    for count in (7, 0, 8, 3, 8) * 20:
        filled.apply(node(0, gpus=count))
        assert filled.rows(0) == range(count)
    assert filled.gpus.rows == 16


def test_another_node_in_the_slot_inherits_nothing():
    filled = store(node(0, gpus=2), sample([{"slot": 0, "cpu": 5}], [gpu(0, 0, fan=1)]), detail(0))
    filled.apply(node(0, gpus=2, name="another"))
    assert np.isnan(filled.nodes["cpu"]).all()
    assert np.isnan(filled.gpus["fan"]).all()
    assert filled.details == {}
    assert (filled.slot_of_node("another"), filled.slot_of_node("n0")) == (0, None)


def test_the_same_node_told_again_keeps_its_figures():
    filled = store(node(0, gpus=1), sample([{"slot": 0, "cpu": 5}], [gpu(0, 0, fan=1)]))
    filled.apply(hello("another boot"))
    filled.apply(node(0, gpus=1, hostname="renamed"))
    assert filled.gpus["fan"].tolist() == [1]
    assert filled.facts[0].hostname == "renamed"


def detail(slot: int) -> Frame:
    return packed(Kind.DETAIL, Detail(slot=slot, cores=[1.0, None]))


def test_details_are_kept_for_nodes_that_are_known():
    filled = store(node(0), detail(0), detail(3))
    assert filled.details.keys() == {0}
    assert filled.quarantined == 1


def test_a_newer_sender_with_more_fields_is_read():
    node_fields = (Field("future", "I", 1, "", "F"), *NODE_FIELDS)
    gpu_fields = (*GPU_FIELDS[:4], Field("npu", "B", 0.5, "%", "NPU"), *GPU_FIELDS[4:])
    filled = store(hello(node_fields=node_fields, gpu_fields=gpu_fields), node(gpus=1))
    filled.apply(
        sample(
            [{"slot": 0, "cpu": 12, "future": 9}],
            [gpu(0, 0, npu=50, power=321)],
            node_fields=node_fields,
            gpu_fields=gpu_fields,
        )
    )
    assert filled.nodes["cpu"].tolist() == [12]
    assert filled.gpus["power"].tolist() == [321]
    assert "npu" not in filled.gpus


def test_an_older_sender_with_fewer_and_narrower_fields_is_read():
    gpu_fields = (GPU_FIELDS[1], GPU_FIELDS[0], Field("power", "B", 4, "W", "Power"))
    filled = store(hello(gpu_fields=gpu_fields), node(gpus=1))
    filled.apply(sample([], [gpu(0, 0, power=400)], gpu_fields=gpu_fields))
    assert filled.gpus["power"].tolist() == [400]
    assert np.isnan(filled.gpus["fan"]).all()


def test_unknown_kinds_and_unknown_keys_are_passed_over():
    filled = store(node(gpus=1))
    filled.apply(Frame(200, b"\xffwhat a newer agent says", seq=5))
    assert filled.seq == 5
    facts = msgspec.msgpack.decode(node(gpus=1).payload) | {"colour": "red", "hostname": "new"}
    filled.apply(packed(Kind.FACTS, facts))
    assert filled.facts[0].hostname == "new"


def test_a_returning_reader_goes_on_where_it_was_and_begins_anew_with_a_new_agent():
    filled = store(node(gpus=1), sample([], [], seq=41))
    assert filled.seq == 41
    filled.apply(hello())
    filled.apply(Frame(Kind.BEAT))
    assert filled.seq == 41
    filled.apply(hello("after a restart"))
    assert filled.seq == 0


def test_histories_grow_with_each_sample():
    filled = store(node(gpus=1))
    for number in range(3):
        filled.apply(sample([{"slot": 0}], [gpu(0, 0, power=number)], wall=float(number)))
    assert filled.gpu_history.curve("power", 0).tolist() == [0, 1, 2]
    assert filled.node_history.times().tolist() == [0, 1, 2]


def test_a_lost_gpu_shows_its_state_and_no_figures():
    filled = store(node(gpus=2), sample([], [gpu(0, 0, state=0, fan=1), gpu(0, 1, state=0, fan=1)]))
    filled.apply(sample([], [gpu(0, 0, state=0, fan=1), gpu(0, 1, state=1)]))
    assert filled.gpus["state"].tolist() == [0, 1]
    np.testing.assert_array_equal(filled.gpus["fan"], [1, np.nan])


def test_the_age_is_that_of_the_newest_frame_and_counts_what_it_brought():
    filled = Store()
    assert filled.age is None
    filled.apply(Frame(Kind.BEAT, age_ms=3_600_000))
    assert (filled.age or 0) >= 3600
    filled.apply(Frame(Kind.BEAT))
    assert (filled.age or 0) < 3600


def test_clocks_that_jump_do_not_touch_the_age():
    filled = store(node(), sample([], [], wall=time.time() + 1e6))
    filled.apply(sample([], [], wall=-1e6))
    assert filled.age is not None
    assert 0 <= filled.age < 3600
    assert filled.node_history.times()[-1] == -1e6


def test_what_happens_is_heard_once_and_kept():
    heard: list[object] = []
    filled = Store(heard.append)
    said = [
        Event(time=1.0, node="n", source="gpu 0", what="xid", text="79"),
        Metric(job="1", attempt=1, rank=0, values={"loss": 1.5}),
        LogPiece(job="1", attempt=1, rank=0, offset=0, end=2, text="hi"),
    ]
    for kind, item in zip((Kind.EVENT, Kind.METRIC, Kind.LOG), said, strict=True):
        filled.apply(packed(kind, item))
    filled.apply(packed(Kind.GAP, Gap(first=3, last=9)))
    assert heard == said
    assert list(filled.events) == said[:1]
    assert [(gap.first, gap.last) for gap in filled.gaps] == [(3, 9)]


def test_jobs_keep_the_order_in_which_they_were_told():
    filled = store()
    told: list[tuple[str, JobState]] = [("1", "running"), ("2", "queued"), ("1", "succeeded")]
    for job, state in told:
        summary = JobSummary(id=job, name="j", kind="k", state=state, cause="", user="u", created=1)
        filled.apply(packed(Kind.FACTS, JobFacts(job=summary)))
    assert [(job.id, job.state) for job in filled.jobs.values()] == [
        ("1", "succeeded"),
        ("2", "queued"),
    ]


def test_a_thousand_nodes_in_one_sample():
    filled = store(*(node(slot, gpus=8) for slot in range(1000)))
    everyone = [gpu(slot, index, fan=slot % 100) for slot in range(1000) for index in range(8)]
    filled.apply(sample([{"slot": slot, "cpu": 1} for slot in range(1000)], everyone))
    assert filled.gpus["fan"].tolist() == [slot % 100 for slot in range(1000) for _ in range(8)]
    assert filled.quarantined == 0
