"""Every table's columns, the one place where they are named; `schema.METRICS` is one table's.

columns      how result tables are written down, and the columns that they begin with
documents    documents, and what of the input was not used
comparisons, judgements, sweeps     the result tables
states       what is kept to be read again: states in runs, stores of vectors and verdicts
records      what goes from one Spark stage to the next
"""

from __future__ import annotations

from dftspark.schema.comparisons import (
    CHECKS,
    CLOUD_MAP,
    COMPARABILITY,
    COPIES,
    DIFFERENCES,
    DOCUMENT_RATIOS,
    METRICS,
    NGRAMS,
    PATTERNS,
    REGIONS,
    VARIETY,
    WITNESS,
)
from dftspark.schema.documents import CORPORA, DOCUMENTS, REJECT_FIELDS, REJECTS, STAGED
from dftspark.schema.judgements import JUDGEMENTS, WIN_RATES
from dftspark.schema.records import (
    CLOUDS,
    COMPARED,
    COPIED,
    EMBEDDED,
    FOLDED,
    JUDGE_PARTS,
    JUDGE_WORK,
    KEY_RANGES,
    KEYED_DOCUMENTS,
    LEFT,
    MEASURED,
    MEMBERS,
    NEIGHBORS,
    PARTIAL_PAIRS,
    PLACED,
    REGION_PASS,
    STRUCTURE_COMPARED,
    TEXTED_CLOUDS,
    WORK,
    WORKED,
)
from dftspark.schema.states import (
    CLUSTERS,
    FEATURE_SUMS,
    PHRASES,
    PROFILE,
    STATES,
    STRUCTURE_PROFILE,
    VECTORS,
    VERDICTS,
    WHOLE,
)
from dftspark.schema.sweeps import SAMPLERS, SUPER_BASELINE, TRADEOFFS

# The tables of a run, by name.
TABLES = {
    "corpora": CORPORA,
    "metrics": METRICS,
    "ngrams": NGRAMS,
    "document_ratios": DOCUMENT_RATIOS,
    "comparability": COMPARABILITY,
    "regions": REGIONS,
    "witness": WITNESS,
    "copies": COPIES,
    "cloud_map": CLOUD_MAP,
    "patterns": PATTERNS,
    "differences": DIFFERENCES,
    "judgements": JUDGEMENTS,
    "win_rates": WIN_RATES,
    "variety": VARIETY,
    "samplers": SAMPLERS,
    "super_baseline": SUPER_BASELINE,
    "tradeoffs": TRADEOFFS,
    "checks": CHECKS,
    "rejects": REJECTS,
}
SWEEP_TABLES = ("samplers", "super_baseline", "tradeoffs")  # where a corpus has split_by

__all__ = [
    "CHECKS",
    "CLOUDS",
    "CLOUD_MAP",
    "CLUSTERS",
    "COMPARABILITY",
    "COMPARED",
    "COPIED",
    "COPIES",
    "CORPORA",
    "DIFFERENCES",
    "DOCUMENTS",
    "DOCUMENT_RATIOS",
    "EMBEDDED",
    "FEATURE_SUMS",
    "FOLDED",
    "JUDGEMENTS",
    "JUDGE_PARTS",
    "JUDGE_WORK",
    "KEYED_DOCUMENTS",
    "KEY_RANGES",
    "LEFT",
    "MEASURED",
    "MEMBERS",
    "METRICS",
    "NEIGHBORS",
    "NGRAMS",
    "PARTIAL_PAIRS",
    "PATTERNS",
    "PHRASES",
    "PLACED",
    "PROFILE",
    "REGIONS",
    "REGION_PASS",
    "REJECTS",
    "REJECT_FIELDS",
    "SAMPLERS",
    "STAGED",
    "STATES",
    "STRUCTURE_COMPARED",
    "STRUCTURE_PROFILE",
    "SUPER_BASELINE",
    "SWEEP_TABLES",
    "TABLES",
    "TEXTED_CLOUDS",
    "TRADEOFFS",
    "VARIETY",
    "VECTORS",
    "VERDICTS",
    "WHOLE",
    "WIN_RATES",
    "WITNESS",
    "WORK",
    "WORKED",
]
