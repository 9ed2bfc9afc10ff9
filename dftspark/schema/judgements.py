"""Result tables of the judge."""

from __future__ import annotations

import pyarrow as pa

from dftspark.schema.columns import PAIR, table

JUDGEMENTS = table(
    *PAIR,
    (
        "kind",
        pa.string(),
        "model, or a control: human, human_unprompted, broken (the words shuffled), models",
    ),
    ("against", pa.string(), "corpus of the other text: human, or of kind models another model"),
    ("pair_id", pa.string(), "the two texts; has a row for each order, dimension and judge"),
    ("cluster", pa.string(), "cluster of the other text, what intervals resample"),
    ("model_id", pa.string(), "doc_id of the model's text"),
    ("against_id", pa.string(), "doc_id of the other text"),
    ("model_characters", pa.int64(), "length of the model's text as it was shown"),
    ("against_characters", pa.int64(), "length of the other text as it was shown"),
    ("judge", pa.string(), "name of the endpoint"),
    ("served", pa.string(), "model that the endpoint says has answered"),
    ("dimension", pa.string(), "what was asked: overall, clarity ..."),
    ("order", pa.string(), "model_first or model_second"),
    ("verdict", pa.string(), "model, against or tie; null where there is none, see error"),
    ("odds", pa.float64(), "log odds that the model's text is named, from log-probabilities"),
    (
        "error",
        pa.string(),
        "why there is no verdict: refused, cut, unparsable, lost, status 500 ...",
    ),
    ("answer", pa.string(), "beginning of an answer that is no verdict"),
    ("tokens_in", pa.int64(), "tokens read, as the endpoint counted them"),
    ("tokens_out", pa.int64(), "tokens written, as the endpoint counted them"),
    ("cost", pa.float64(), "of them at the configured prices, whenever it was paid"),
    ("seconds", pa.float64(), "from the first attempt to the answer"),
    ("attempts", pa.int32(), "requests it took"),
    ("at", pa.string(), "when the answer came, UTC; empty where there is none"),
    ("key", pa.string(), "of the request in the verdict store, hexadecimal"),
)

WIN_RATES = table(
    *PAIR,
    ("kind", pa.string(), "as in judgements"),
    ("against", pa.string(), "corpus of the other text"),
    ("dimension", pa.string(), "what was asked"),
    ("judge", pa.string(), "name of the endpoint"),
    ("pairs", pa.int64(), "pairs with a verdict in both orders, behind win_rate"),
    ("clusters", pa.int64(), "clusters of these"),
    ("verdicts", pa.int64(), "single verdicts"),
    ("wins", pa.int64(), "verdicts for the model's text"),
    ("ties", pa.int64(), "verdicts that neither is better"),
    ("losses", pa.int64(), "verdicts for the other text"),
    ("errors", pa.int64(), "requests that were sent and brought no verdict"),
    ("not_asked", pa.int64(), "requests that a cap or an end came before"),
    (
        "win_rate",
        pa.float64(),
        "of the model's text, both orders averaged, ties half; .5 is parity",
    ),
    ("std_error", pa.float64(), "of win_rate, by cluster"),
    ("ci_low", pa.float64(), "Wilson interval of win_rate by cluster, lower end"),
    ("ci_high", pa.float64(), "Wilson interval of win_rate by cluster, upper end"),
    ("p_value", pa.float64(), "of parity, two-sided"),
    ("mde", pa.float64(), "smallest distance of win_rate from .5 found with 80% power"),
    ("jmq", pa.float64(), "2 win_rate, from 0 to 2; null for controls"),
    ("jmq_low", pa.float64(), "interval of jmq, lower end"),
    ("jmq_high", pa.float64(), "interval of jmq, upper end"),
    ("first_rate", pa.float64(), "how often the text that stood first won, ties half"),
    ("flip_rate", pa.float64(), "share of pairs whose winner changed with the order"),
    ("longer_rate", pa.float64(), "how often the longer text won, ties half"),
    ("lc_win_rate", pa.float64(), "win_rate at equal lengths and without a position effect"),
    ("lc_low", pa.float64(), "interval of lc_win_rate, lower end"),
    ("lc_high", pa.float64(), "interval of lc_win_rate, upper end"),
    ("position_effect", pa.float64(), "log odds that standing first adds"),
    ("length_effect", pa.float64(), "log odds that being much longer adds"),
    ("odds_pairs", pa.int64(), "pairs with log-probabilities in both orders"),
    ("odds_win_rate", pa.float64(), "win_rate from log-probabilities, without a position effect"),
    ("odds_low", pa.float64(), "interval of odds_win_rate, lower end"),
    ("odds_high", pa.float64(), "interval of odds_win_rate, upper end"),
)
