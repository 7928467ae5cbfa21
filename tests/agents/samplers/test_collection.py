from llmos.agents.protocol.facts import Collector, Detail, DiskRate, NodeFacts
from llmos.agents.samplers.collection import Collection
from llmos.agents.samplers.sampler import Reading


class Thermometer:
    """A sampler of one figure, that fails when told to."""

    def __init__(self, name: str, interval: float = 1.0) -> None:
        self.name, self.interval = name, interval
        self.error: Exception | None = None
        self.closed = False

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def sample(self, reading: Reading) -> None:
        self._fail()
        reading.node[self.name] = 20

    def facts(self, facts: NodeFacts) -> None:
        self._fail()
        facts.other_gpus.append(self.name)

    def detail(self, detail: Detail) -> None:
        self._fail()
        detail.disks.append(DiskRate(device=self.name))

    def collectors(self) -> list[Collector]:
        return [Collector(name=self.name), Collector(name=f"{self.name} probe")]

    def close(self) -> None:
        self._fail()
        self.closed = True


def test_all_samplers_tell_together() -> None:
    collection = Collection([Thermometer("inside"), Thermometer("outside")])
    assert collection.sample().node == {"inside": 20, "outside": 20}
    facts = collection.facts(4, "n1")
    assert (facts.slot, facts.node, facts.other_gpus) == (4, "n1", ["inside", "outside"])
    assert [disk.device for disk in collection.detail(4).disks] == ["inside", "outside"]


def test_each_sampler_is_timed() -> None:
    collection = Collection([Thermometer("inside")])
    assert collection.collectors()[0].seconds is None
    collection.sample()
    own, probe = collection.collectors()
    assert own.seconds is not None
    assert own.seconds > 0
    assert (probe.name, probe.seconds) == ("inside probe", None)


def test_a_sampler_that_raises_has_failed_and_the_others_go_on() -> None:
    broken, sound = Thermometer("broken"), Thermometer("sound")
    collection = Collection([broken, sound])
    broken.error = OSError("the wire is cut")
    assert collection.sample().node == {"sound": 20}
    facts = collection.facts(0, "n1")
    assert facts.other_gpus == ["sound"]
    assert [(each.name, each.state) for each in facts.collectors] == [
        ("broken", "failed"),
        ("broken probe", "ok"),
        ("sound", "ok"),
        ("sound probe", "ok"),
    ]
    assert facts.collectors[0].message == "sample: OSError: the wire is cut"


def test_a_sampler_that_works_again_is_no_longer_failed() -> None:
    sampler = Thermometer("inside")
    collection = Collection([sampler])
    sampler.error = ValueError("no")
    collection.sample()
    sampler.error = None
    collection.sample()
    assert collection.collectors()[0].state == "ok"


def test_one_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    broken, sound = Thermometer("broken"), Thermometer("sound")
    broken.error = RuntimeError("no")
    Collection([broken, sound]).close()
    assert sound.closed


def test_samplers_keep_to_the_interval() -> None:
    sampler = Thermometer("inside")
    collection = Collection([sampler], interval=0.5)
    assert sampler.interval == 0.5
    collection.interval = 0.2
    assert (sampler.interval, collection.interval) == (0.2, 0.2)
