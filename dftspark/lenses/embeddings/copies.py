"""The copy check: how many model documents nearly repeat a human one, beside how many humans do."""

from __future__ import annotations

from dftspark.inference.intervals import Inferred
from dftspark.inference.proportions import ClusterSums, clustered_share
from dftspark.lenses.metric import Metric


def copy_metrics(human: ClusterSums, model: ClusterSums, *, confidence: float) -> list[Metric]:
    """Returns metrics of documents with a near duplicate, by cluster.

    near_duplicates        share of model documents whose nearest human one has a cosine of .95 or
                           more, answers to one prompt included
    near_duplicates_human  share of human documents with such a human one of another cluster, the
                           repetition within the human side; the upper end of its interval is the
                           floor of the first
    """
    value, error, low, high = clustered_share(human, confidence)
    own = Inferred(std_error=error, ci_low=low, ci_high=high, blocks=human.clusters)
    beside = Metric("near_duplicates_human", value, "share", own)
    value, error, low, high = clustered_share(model, confidence)
    found = Inferred(
        std_error=error, ci_low=low, ci_high=high, floor=own.ci_high, blocks=model.clusters
    )
    return [Metric("near_duplicates", value, "share", found), beside]
