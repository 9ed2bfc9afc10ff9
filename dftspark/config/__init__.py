"""Every setting of an audit, checked before Spark starts."""

from dftspark.config.audit import Audit
from dftspark.config.choose import Choose
from dftspark.config.corpora import Cleaning, Columns, Corpus, Tokens
from dftspark.config.judge import DIMENSIONS, Endpoint, Judge
from dftspark.config.lenses import Embedding, Inference, Mmd, Ngrams, Report, Sweep
from dftspark.config.nightly import Acknowledged, Check, Nightly
from dftspark.config.publishing import Publishing

__all__ = [
    "DIMENSIONS",
    "Acknowledged",
    "Audit",
    "Check",
    "Choose",
    "Cleaning",
    "Columns",
    "Corpus",
    "Embedding",
    "Endpoint",
    "Inference",
    "Judge",
    "Mmd",
    "Ngrams",
    "Nightly",
    "Publishing",
    "Report",
    "Sweep",
    "Tokens",
]
