"""One program's way to drop near duplicates from a JSONL file: NAME IN OUT SCRATCH THRESHOLD.

Run by path in that program's environment, so that each function imports its own program alone. The
last line is JSON: seconds from opening IN to closing OUT, without the imports, and peak bytes. All
compare runs of five words, in one process with one worker.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = 5


def llmos(source: Path, target: Path, scratch: Path, threshold: float) -> float:
    """llmos: reads the file twice, once to compare and once to write what stays."""
    import msgspec

    from llmos.engine.data.nearduplicates import Likeness, near_duplicates

    class Line(msgspec.Struct):
        text: str

    began = time.perf_counter()
    decoder = msgspec.json.Decoder(Line)
    with source.open("rb") as lines:
        texts = (decoder.decode(line).text for line in lines)
        stays = near_duplicates(texts, Likeness(threshold=threshold, words=WORDS)).stays
    with source.open("rb") as lines, target.open("wb") as kept:
        kept.writelines(line for line, stay in zip(lines, stays.tolist(), strict=True) if stay)
    return time.perf_counter() - began


def datasketch(source: Path, target: Path, scratch: Path, threshold: float) -> float:
    """datasketch: its bulk MinHash with xxh3, and its LSH; what matches one that stayed goes."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]
    from xxhash import xxh3_64_intdigest

    def hashed(word: bytes) -> int:
        return int(xxh3_64_intdigest(word)) & 0xFFFFFFFF

    def shingles(text: str) -> list[bytes]:
        words = re.findall(r"\w+", text.lower())
        count = max(len(words) - WORDS + 1, 1)
        return [" ".join(words[at : at + WORDS]).encode() for at in range(count)]

    def texts() -> Iterator[list[bytes]]:
        with source.open(encoding="utf-8") as lines:
            for line in lines:
                yield shingles(json.loads(line)["text"])

    began = time.perf_counter()
    index = MinHashLSH(threshold=threshold, num_perm=128)
    signatures = MinHash.generator(texts(), num_perm=128, hashfunc=hashed)
    with source.open("rb") as lines, target.open("wb") as kept:
        for number, (line, signature) in enumerate(zip(lines, signatures, strict=True)):
            if not index.query(signature):
                index.insert(number, signature)
                kept.write(line)
    return time.perf_counter() - began


def datatrove(source: Path, target: Path, scratch: Path, threshold: float) -> float:
    """datatrove: the four steps of its own example, with its default bands, for 0.72."""
    from datatrove.executor import LocalPipelineExecutor  # type: ignore[import-not-found]
    from datatrove.pipeline.dedup import (  # type: ignore[import-not-found]
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig  # type: ignore[import-not-found]
    from datatrove.pipeline.readers import JsonlReader  # type: ignore[import-not-found]
    from datatrove.pipeline.writers import JsonlWriter  # type: ignore[import-not-found]
    from loguru import logger  # type: ignore[import-not-found]

    logger.remove()
    config = MinhashConfig(n_grams=WORDS)
    own = (1 / config.num_buckets) ** (1 / config.hashes_per_bucket)
    if abs(own - threshold) > 0.01:
        sys.exit(f"datatrove's bands are for {own:.2f}; measure it with --threshold {own:.2f}")
    signatures, buckets, removed = (str(scratch / name) for name in ("sigs", "buckets", "removed"))
    began = time.perf_counter()
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    writer = JsonlWriter(str(scratch / "kept"), output_filename="${rank}.jsonl", compression=None)
    steps = (
        (1, [reader, MinhashDedupSignature(signatures, config=config)]),
        (config.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=config)]),
        (1, [MinhashDedupCluster(buckets, removed, config=config)]),
        (1, [reader, MinhashDedupFilter(removed), writer]),
    )
    for number, (tasks, pipeline) in enumerate(steps):
        logs = str(scratch / f"logs-{number}")
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=logs).run()
    seconds = time.perf_counter() - began
    (written,) = (scratch / "kept").glob("*.jsonl")
    written.rename(target)
    return seconds


PROGRAMS = {"llmos": llmos, "datasketch": datasketch, "datatrove": datatrove}


def main() -> None:
    """Run the one that is named."""
    name, source, target, scratch, threshold = sys.argv[1:]
    seconds = PROGRAMS[name](Path(source), Path(target), Path(scratch), float(threshold))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    main()
