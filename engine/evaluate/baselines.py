"""What needs no training, or next to none, to be compared with."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...agents.errors import SpecError
from .outcome import Outcome
from .rows import Rows, read
from .spec import COLUMN, Evaluate

Learned = tuple[Rows, Rows]
"""The part to learn from, and the one to decide on."""


def baseline(name: str, asked: Evaluate, folder: Path, rows: Rows) -> Outcome:
    """What a baseline says of the rows, after a look at the train part.

    Raises:
        SpecError: the dataset has no train part, or its labels are nothing for this baseline.
    """
    learned = read(folder, "train", COLUMN[asked.task], [], labelled=True)
    return ALL[name](learned, rows)


def majority(learned: Rows, rows: Rows) -> Outcome:
    """Always the class that is the commonest in the train part."""
    counts = Counter(learned.labels)
    commonest = min(counts, key=lambda label: (-counts[label], label))
    return Outcome(name="majority", predicted=np.array([commonest] * len(rows)))


def tfidf_logistic(learned: Rows, rows: Rows) -> Outcome:
    """A logistic regression on words and pairs of words, weighed by how rare they are. Its strength
    is chosen among four by cross-validation on the train part."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.model_selection import GridSearchCV  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        LogisticRegression(max_iter=1000),
    )
    strengths = {"logisticregression__C": [1.0, 3.0, 10.0, 30.0]}
    model = GridSearchCV(pipeline, strengths, cv=3).fit(learned.values, learned.labels)
    said: NDArray[np.float64] = model.predict_proba(rows.values)
    labels = np.array(model.classes_)
    return Outcome(
        name="tfidf-logistic",
        predicted=labels[said.argmax(axis=1)],
        score=said.max(axis=1),
        probabilities={str(label): said[:, at] for at, label in enumerate(labels)},
    )


def vader(learned: Rows, rows: Rows) -> Outcome:
    """A lexicon's sum of feelings (Hutto and Gilbert 2014); of two classes the one whose texts feel
    better in the train part is beyond the border that divides that part best."""
    from vaderSentiment.vaderSentiment import (  # type: ignore[import-untyped]
        SentimentIntensityAnalyzer,
    )

    labels = sorted(set(learned.labels))
    if len(labels) != 2:
        raise SpecError(f"$.evaluate.against: vader tells two classes apart, not {len(labels)}")
    analyzer = SentimentIntensityAnalyzer()

    def felt(texts: list[str]) -> NDArray[np.float64]:
        return np.array([analyzer.polarity_scores(text)["compound"] for text in texts])

    known, own = felt(learned.values), np.array(learned.labels)
    means = [known[own == label].mean() for label in labels]
    worse, better = labels if means[0] <= means[1] else labels[::-1]
    borders = np.linspace(-1, 1, 201)
    hits = [((known > border) == (own == better)).mean() for border in borders]
    above = felt(rows.values) > borders[int(np.argmax(hits))]
    return Outcome(name="vader", predicted=np.where(above, better, worse))


ALL: Final[dict[str, Callable[[Rows, Rows], Outcome]]] = {
    "majority": majority,
    "tfidf-logistic": tfidf_logistic,
    "vader": vader,
}
