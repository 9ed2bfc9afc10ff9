"""What each measure is, in words: its title, its meaning, its formula. Pages and docs say the same.

Source  the docstrings of `dftspark/lenses`, which have the details
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Measure:
    """pattern  of names in the table metrics; `{n}` in the title is what its group holds
    main      in the first figure of a page, rather than among all measures
    equality  what equal corpora give
    apart     whether its tell size is of another kind, which stands on no axis with the others
    """

    pattern: str
    title: str
    says: str
    formula: str
    span: str
    equality: str = "0 on average"
    main: bool = False
    apart: bool = False

    @property
    def square(self) -> bool:
        """Whether it is of squares, so that twice the difference gives four times the value."""
        return re.search("squared|energy|frechet|omnibus|js_", self.pattern) is not None


PLUG_IN = "above 0, less with more text"

MEASURES = (
    Measure(
        r"l2_(\d)gram", "{n} frequencies, L2",
        "Distance of the frequencies of all n-grams, pooled over the text; a few frequent ones "
        "carry it.",
        "√ Σ (p − q)²", "0 to √2", PLUG_IN,
    ),
    Measure(
        r"l2_corrected_(\d)gram", "{n} frequencies, L2 without noise",
        "The same less what sampling noise adds; a root with its square's sign.",
        "± √ |Σ (p − q)² − bias|", "−√2 to √2",
    ),
    Measure(
        r"l2_squared_corrected_(\d)gram", "{n} frequencies, L2² without noise",
        "The square, unbiased; it may be a little below 0.", "Σ (p − q)² − bias", "−2 to 2",
        main=True,
    ),
    Measure(
        r"l2_docs_(\d)gram", "{n} frequencies per document, L2",
        "L2 of the mean over documents: long texts weigh no more.", "√ Σ (mean p − mean q)²",
        "0 to √2", PLUG_IN,
    ),
    Measure(
        r"l2_docs_corrected_(\d)gram", "{n} frequencies per document, L2 without noise",
        "The same less what sampling noise adds.", "± √ |Σ (mean p − mean q)² − bias|",
        "−√2 to √2",
    ),
    Measure(
        r"l2_docs_squared_corrected_(\d)gram", "{n} frequencies per document, L2² without noise",
        "The square, unbiased.", "Σ (mean p − mean q)² − bias", "−2 to 2",
    ),
    Measure(
        r"js_(\d)gram", "{n} Jensen–Shannon divergence",
        "Information, in bits, that one n-gram gives on which side it is from; rare ones count. "
        "Its test and tell size are of differences over the fourth root of the pooled rate.",
        "H((p + q)/2) − (H(p) + H(q))/2", "0 to 1 bit", PLUG_IN, main=True,
    ),
    Measure(
        r"tv_(\d)gram", "{n} total variation",
        "Share of all n-grams that would have to change; tested as the divergence.",
        "½ Σ |p − q|", "0 to 1", PLUG_IN,
    ),
    Measure(
        r"mmd", "Embeddings, MMD",
        "How far the clouds of embeddings are apart, by a Gaussian kernel at the median distance; "
        "a root with its square's sign.",
        "± √ |MMD²|", "−1 to √2",
    ),
    Measure(
        r"mmd_squared", "Embeddings, MMD²",
        "How far the clouds of embeddings are apart, by a Gaussian kernel at the median distance; "
        "unbiased, so it may be a little below 0.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2", main=True,
    ),
    Measure(
        r"mmd_fused", "Embeddings, all bandwidths in one test",
        "One p-value of MMD² over several kernels; it has no value.",
        "largest standardized MMD² of the kernels", "a p-value alone", "-",
    ),
    Measure(
        r"mmd_squared_gaussian_([\d.]+)", "MMD², Gaussian kernel of {n} × the median distance",
        "Wide kernels see where the clouds lie, narrow ones their texture.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
    ),
    Measure(
        r"mmd_squared_laplace", "MMD², Laplace kernel", "The same with another kernel.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
    ),
    Measure(
        r"mmd_squared_imq", "MMD², inverse multiquadric kernel",
        "The same with a kernel of long reach.", "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
    ),
    Measure(
        r"mmd_squared_feature_error", "MMD², error of the random features",
        "Half-width of the 95% interval of what the random features add to MMD²; of one sign for "
        "all models of a run.", "see docs/embeddings.md", "≥ 0", "the same",
    ),
    Measure(
        r"mmd_squared_(stratified|within)", "MMD², {n} by strata",
        "Whether the clouds agree at one mix of strata, or within each stratum.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
    ),
    Measure(
        r"mmd_(?:squared_)?(exact|on_exact)", "MMD on a sample of texts, {n}",
        "The kernel itself over all pairs of a sample, and random features of the same texts.",
        "E k(x, x′) + E k(y, y′) − 2 E k(x, y)", "−1 to 2",
    ),
    Measure(
        r"energy_distance", "Embeddings, energy distance",
        "As MMD, with distances in place of a kernel.",
        "2 E|x − y| − E|x − x′| − E|y − y′|", "≥ 0", main=True,
    ),
    Measure(
        r"frechet", "Embeddings, Fréchet distance",
        "Distance of two normal clouds with these means and covariances; large for few texts.",
        "|μ − ν|² + tr(A + B − 2 √(AB))", "≥ 0", "well above 0 for few texts",
    ),
    Measure(
        r"frechet_corrected", "Embeddings, Fréchet without noise",
        "The same less what finite corpora add.",
        "|μ − ν|² + tr(A + B − 2 √(AB)) − bias", "about ≥ 0",
    ),
    Measure(
        r"c2st_auc", "Classifier, area",
        "Chance that a classifier takes the model's text for the model's, on prompts it has not "
        "seen. Its tell size is of a reader who has already learnt the difference.",
        "P(score of model text > score of human text)", "½ to 1", "½", main=True, apart=True,
    ),
    Measure(
        r"c2st_accuracy", "Classifier, accuracy", "Share of unseen texts that it gets right.",
        "right / all", "½ to 1", "½",
    ),
    Measure(
        r"c2st_tv_bound", "Classifier, bound on total variation",
        "The clouds differ by at least this share.", "2 × accuracy − 1", "0 to 1",
    ),
    Measure(
        r"frontier", "Regions, frontier area",
        "MAUVE-type area over regions of the cloud; blind where both sides answer the same "
        "prompts.",
        "area under the divergence frontier", "0 to 1", "frontier_at_equality",
    ),
    Measure(
        r"frontier_at_equality", "Regions, frontier area at equality",
        "What one source would give at these sizes.", "mean over mixed groups", "0 to 1",
        "itself",
    ),
    Measure(
        r"region_l2_squared", "Regions, squared L2 of shares",
        "Whether the model writes about other things; unbiased.", "Σ (share − share)² − bias",
        "−2 to 2",
    ),
    Measure(
        r"near_duplicates", "Near copies of human texts",
        "Share of model texts that nearly repeat a human one: matching by copying is no success.",
        "texts with a human one at cosine ≥ 0.95 / all", "0 to 1", "that among humans",
        main=True,
    ),
    Measure(
        r"near_duplicates_human", "Near copies among human texts",
        "The same among human texts of unlike prompts.", "as near_duplicates", "0 to 1", "itself",
    ),
    Measure(
        r"structure_omnibus", "Structure, all measures in one",
        "All rates and means of constructions and rhythm in one test: squared differences in units "
        "of what documents of one side scatter, unbiased, so it may be a little below 0.",
        "Σ (difference / spread)² − bias", "any", main=True,
    ),
    Measure(
        r"structure_outside", "Structure, measures that differ",
        "Share of the judged constructions and rhythms whose own p is below .05.",
        "measures with p < .05 / judged measures", "0 to 1", "0.05", main=True,
    ),
    Measure(
        r"structure_factor", "Structure, typical factor",
        "By what factor rates differ, on average over all judged measures, without what chance "
        "adds; rare measures are shrunk.", "exp √ mean (log ratio² − bias)", "≥ 1", "1", main=True,
    ),
    Measure(
        r"wasserstein_(\w+)", "Distribution of {n}",
        "By how much the model's values would have to move, on average, to be distributed as the "
        "human ones.",
        "∫ |F − G|", "≥ 0", PLUG_IN,
    ),
    Measure(
        r"rate_(\w+)", "{n}, off by",
        "By how much the rate of a construction differs, in its unit; of a sweep's settings.",
        "|model − human|", "≥ 0", PLUG_IN,
    ),
    Measure(
        r"jmq_lc_(.+)", "Judge at equal length, {n}",
        "The same as the judge would prefer if both texts were equally long.",
        "2 × win rate at equal lengths", "0 to 2", "1",
    ),
    Measure(
        r"jmq_odds_(.+)", "Judge by its probabilities, {n}",
        "The same by how sure the judge was of its first word.",
        "2 × mean probability of a win", "0 to 2", "1",
    ),
    Measure(
        r"jmq_(.+)", "Judge, {n}",
        "Twice the share of pairs in which a judge prefers the model's text to the human one.",
        "2 × wins / pairs", "0 to 2", "1",
    ),
    Measure(
        r"bradley_terry_(.+)", "Judge, all on one scale, {n}",
        "How strong the model is against humans, from all its comparisons with humans and models.",
        "log odds of a win (Bradley-Terry)", "any", "0",
    ),
    Measure(
        r"judge_agreement_(.+)", "Agreement of judges, {n}",
        "How often two judges agree on the same pair and order, beyond chance.",
        "Krippendorff's alpha", "at most 1", "-",
    ),
)  # fmt: skip

_WORDS = {"1": "Token", "": "overall"}


def measure(name: str) -> Measure:
    """What the table calls `name`; a name that is not known explains itself with nothing."""
    for known in MEASURES:
        found = re.fullmatch(known.pattern, name)
        if found:
            group = (found[1] or "") if found.groups() else ""
            return replace(known, title=known.title.replace("{n}", _spoken(known, group)))
    return Measure(re.escape(name), name, "", "", "")


def _spoken(known: Measure, group: str) -> str:
    if r"(\d)gram" in known.pattern:
        return _WORDS.get(group, f"{group}-gram")
    if known.pattern.startswith(("jmq_", "bradley_terry_", "judge_agreement_")):
        dimension, _, judge = group.partition(":")
        return f"{dimension.replace('_', ' ')} ({judge})" if judge else dimension
    said = _WORDS.get(group, group.replace("_", " ").strip())
    return said.capitalize() if known.title.startswith("{n}") else said
