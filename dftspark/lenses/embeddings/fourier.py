"""Frozen random frequencies, and the features of vectors whose products are kernels.

phi(x) = [cos(w_1.x) .. cos(w_D.x), sin(w_1.x) .. sin(w_D.x)] / sqrt(D), and the mean over draws of
phi(x).phi(y) is k(x, y). All kernels share the directions: w_i = r_i u_i with blocks of d
orthogonal unit vectors u, drawn uniformly, and stratified radii r of each kernel's spectrum:

    gaussian_c   exp(-|x-y|^2 / (2 s^2)), s = c sigma     r = chi_d / s
    laplace      exp(-|x-y| / sigma)                      r = chi_d / (|z| sigma), z normal
    imq          (1 + |x-y|^2 / sigma^2)^(-1/2)           r = chi_d |z| / sigma
    energy       1 - 2 |x-y| / (c_d T), |u.(x-y)| <= T    r = pi k / T, k odd, P(k) = 8 / (pi k)^2

Features are whole numbers, round(2^20 cos): their sums are exact in any order. Vectors and
directions are whole numbers too, so small that float64 holds every partial sum of their product: a
document has the same features in any batch, on any processor, with any linear algebra.

Cost     2 d D flops a document in float64, then about 30 float32 operations a frequency and kernel
Source   Rahimi and Recht (2007); orthogonal blocks, Yu et al. (2016); radii of further kernels,
         Langrene, Warin and Gruet (2024); the energy distance by slices, Sejdinovic et al. (2013)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dftspark.compiled import compiled
from dftspark.errors import ConfigError, InputError, ShapeError

Floats = NDArray[np.float64]

DEFAULT = "gaussian_1"
ONE = 1 << 20  # the integer that stands for 1 in a feature
_UNIT_BITS = 22  # vectors are rounded to about sigma / 2^22
_DIRECTION_BITS = 24
_LONGEST = 1 << (53 - _UNIT_BITS - _DIRECTION_BITS)  # length of a vector, in units of about sigma
_TILE = 256  # documents projected at once
_RUN = 1024  # documents whose features an int32 can hold: 2^10 x 2^20 < 2^31
_ENERGY_REACH = 6.0  # T in sigma / sqrt(d): four standard deviations of u.v for |v| = 1.5 sigma
_ODD = 1 << 15  # odd k below 2^16: beyond lies a share of 6e-6


@dataclass(frozen=True, kw_only=True)
class Frequencies:
    """Everything that a manifest keeps of the random features; equal ones give equal features.

    dim      d, width of the vectors
    sigma    bandwidth: the root of the median squared distance of pooled documents
    least    minimum of frequencies; D is the next multiple of d
    seed     of directions and radii
    ladder   bandwidths of the Gaussian kernel in units of sigma, 1 among them
    """

    dim: int
    sigma: float
    least: int = 2048
    seed: int = 0
    ladder: tuple[float, ...] = (2.0, 1.0, 0.5, 0.25)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ladder", tuple(float(c) for c in self.ladder))
        if self.dim < 1 or self.least < 1:
            raise ConfigError(
                f"vectors have at least one coordinate and one frequency, got width {self.dim} "
                f"and {self.least} frequencies"
            )
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ConfigError(
                f"the bandwidth is a length above 0, got {self.sigma}; a pilot of equal vectors "
                f"has none: look at the embeddings, or set mmd.bandwidth"
            )
        if 1.0 not in self.ladder or min(self.ladder) <= 0:
            raise ConfigError(f"the ladder has bandwidths above 0, 1 among them: {self.ladder}")

    @property
    def count(self) -> int:
        """D, the number of frequencies: whole orthogonal blocks, at least one."""
        return self.dim * -(-self.least // self.dim)

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the K kernels, in the order of the states: gaussian_2, .., laplace, .."""
        return (*(f"gaussian_{c:g}" for c in self.ladder), "laplace", "imq", "energy")

    def manifest(self) -> dict[str, Any]:
        """Returns a JSON-ready dict; `Frequencies(**manifest)` without "count" is equal to self."""
        return {**asdict(self), "ladder": list(self.ladder), "count": self.count}

    def groups(self, most: int = 32) -> list[NDArray[np.int64]]:
        """Groups frequencies by orthogonal block, or by parts or unions of blocks: 4 to `most`.

        Each alone is a smaller map of the same kernels. Fewer than four where D is.
        """
        blocks = self.count // self.dim
        return np.array_split(np.arange(self.count), min(max(blocks, 4), most, self.count))

    @property
    def energy_scale(self) -> float:
        """The factor from the energy kernel's MMD^2 to the energy distance of the vectors."""
        constant = math.sqrt(math.pi) * math.exp(
            math.lgamma((self.dim + 1) / 2) - math.lgamma(self.dim / 2)
        )
        return constant * _energy_reach(self) / 2


def features(
    frequencies: Frequencies, vectors: NDArray[np.floating[Any]], kernel: str = DEFAULT
) -> NDArray[np.int32]:
    """Returns phi of `vectors` `(B, dim)` x sqrt(D) x 2^20, as `(B, 2 D)`: cosines, then sines.

    These are the very numbers that `add_to_blocks` sums. Raises as `add_to_blocks` does.
    """
    scales = _scales(frequencies)[[frequencies.kernels.index(kernel)]]
    out = np.zeros((len(vectors), 1, 2 * frequencies.count), np.int64)
    for start, projected in _projected(frequencies, vectors):
        rows = np.arange(start, start + len(projected))
        _add(out, projected, rows, scales)
    return np.asarray(out[:, 0].astype(np.int32))


def add_to_blocks(
    sums: NDArray[np.int64],
    frequencies: Frequencies,
    vectors: NDArray[np.floating[Any]],
    blocks: NDArray[np.int64],
) -> None:
    """Adds the features of `vectors` `(B, dim)` to `sums` `(S, K, 2 D)` of their `blocks` `(B,)`.

    Exact, and the same for any order and any cut of the documents; fastest for 1,000 or more at
    a time. Raises ShapeError for another width, InputError for vectors that are not finite, or
    longer than some 100 bandwidths, for which the products would no longer be exact.
    """
    order = np.argsort(blocks, kind="stable")
    scales, ordered = _scales(frequencies), blocks[order]
    for start, projected in _projected(frequencies, vectors[order]):
        _add(sums, projected, ordered[start : start + len(projected)], scales)


def _projected(frequencies: Frequencies, vectors: NDArray[np.floating[Any]]) -> Any:
    """Yields (first row, projections `(rows, D)` float32 in whole units), tile after tile."""
    if vectors.ndim != 2 or vectors.shape[1] != frequencies.dim:
        raise ShapeError(
            f"vectors have shape {vectors.shape}, these frequencies want (documents, "
            f"{frequencies.dim}); was the corpus embedded with another model?"
        )
    directions, unit = _directions(frequencies), _unit(frequencies)
    out = np.empty((_TILE, frequencies.count))
    for start in range(0, len(vectors), _TILE):
        whole = np.rint(vectors[start : start + _TILE].astype(np.float64) * (1 / unit))
        squares = np.einsum("bd,bd->b", whole, whole)
        if not (squares <= float(_LONGEST << _UNIT_BITS) ** 2 * 0.999).all():
            raise InputError(_unfit(vectors, frequencies))
        tile = out[: len(whole)]
        np.matmul(whole, directions, out=tile)
        yield start, tile.astype(np.float32)


def _unfit(vectors: NDArray[np.floating[Any]], frequencies: Frequencies) -> str:
    wrong = int((~np.isfinite(vectors)).any(axis=1).sum())
    if wrong:
        return f"{wrong} of {len(vectors)} vectors are not finite; embed their texts again"
    longest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max())
    return (
        f"a vector is {longest:g} long where the bandwidth is {frequencies.sigma:g}, more than 100 "
        f"times as long: normalize the embeddings, or look at what was embedded"
    )


def _unit(frequencies: Frequencies) -> float:
    """Returns a power of two: vectors are whole multiples of it."""
    return float(2.0 ** (round(math.log2(frequencies.sigma)) - _UNIT_BITS))


@lru_cache(maxsize=4)
def _directions(frequencies: Frequencies) -> Floats:
    """Returns unit directions x 2^24 as whole numbers, `(dim, D)`, orthogonal within a block."""
    d, count = frequencies.dim, frequencies.count
    draw, _, _ = _generators(frequencies.seed)
    blocks = draw.standard_normal((count // d, d, d))
    _orthonormalize(blocks)
    columns = blocks.transpose(1, 0, 2).reshape(d, count)
    return np.ascontiguousarray(np.rint(columns * 2.0**_DIRECTION_BITS))


@lru_cache(maxsize=16)
def _scales(frequencies: Frequencies) -> NDArray[np.float32]:
    """Returns turns per whole unit of projection, `(K, D)`."""
    whole = _unit(frequencies) * 2.0**-_DIRECTION_BITS
    return np.asarray(radii(frequencies) * (whole / (2 * np.pi)), np.float32)


def radii(frequencies: Frequencies) -> Floats:
    """Returns |w| of every kernel's frequencies, `(K, D)`, in radians per unit of the vectors."""
    d, sigma = frequencies.dim, frequencies.sigma
    _, first, second = _generators(frequencies.seed)
    shares = _strata(frequencies, first)
    gaussian = np.sqrt(2 * special.gammaincinv(d / 2, shares))
    chi_1 = np.sqrt(2 * special.gammaincinv(0.5, second.permutation(_strata(frequencies, second))))
    # (chi_d / chi_1)^2 is d times an F variable with d and 1 degrees of freedom.
    laplace = np.sqrt(d / special.fdtri(1, d, 1 - shares))
    odd = 2 * np.arange(_ODD) + 1.0
    below = np.cumsum(8 / (np.pi * odd) ** 2)
    energy = odd[np.minimum(np.searchsorted(below, shares), _ODD - 1)]
    rows = [gaussian / (c * sigma) for c in frequencies.ladder]
    rows += [laplace / sigma, gaussian * chi_1 / sigma, np.pi * energy / _energy_reach(frequencies)]
    return np.stack(rows)


def _energy_reach(frequencies: Frequencies) -> float:
    return _ENERGY_REACH * frequencies.sigma / math.sqrt(frequencies.dim)


def _strata(frequencies: Frequencies, rng: np.random.Generator) -> Floats:
    """Draws a uniform number from each of D equal intervals, `(D,)`; each block is spread too."""
    d, count = frequencies.dim, frequencies.count
    blocks = count // d
    within = rng.permuted(np.tile(np.arange(blocks), (d, 1)), axis=1).T
    numbers = np.arange(d) * blocks + within + rng.random((blocks, d))
    return np.asarray(numbers.reshape(-1) / count)


def _generators(seed: int) -> list[np.random.Generator]:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).spawn(3)


@compiled
def _orthonormalize(blocks: Any) -> None:
    """Runs Gram-Schmidt on the columns of each block `(G, d, d)`, in place, in a fixed order.

    LAPACK's order depends on the machine. The diagonal of R is positive, so columns are Haar.
    """
    count, d, _ = blocks.shape
    inner = np.empty(d)
    for g in range(count):
        a = blocks[g]
        for k in range(d):
            square = 0.0
            for i in range(d):
                square += a[i, k] * a[i, k]
            length = np.sqrt(square)
            inner[:] = 0.0
            for i in range(d):
                a[i, k] /= length
                for j in range(k + 1, d):
                    inner[j] += a[i, k] * a[i, j]
            for i in range(d):
                for j in range(k + 1, d):
                    a[i, j] -= a[i, k] * inner[j]


# sin(pi x) / x and cos(pi x) as polynomials in x^2 on |x| <= 1/2, errors below 1e-7 with float32.
_SIN = tuple(np.float32(c) for c in (3.14159264, -5.16771008, 2.55007753, -0.5982913, 0.07765766))
_COS = tuple(
    np.float32(c) for c in (1.0, -4.93480214, 4.05870916, -1.335212, 0.23493732, -0.02439632)
)
_ROUND = np.float32(1.5 * 2**23)  # added and subtracted, it rounds to the nearest whole number
_SCALE = np.float32(ONE)
_TWO = np.float32(2)


@compiled
def _add(sums: Any, projected: Any, blocks: Any, scales: Any) -> None:
    """Adds features to `sums` `(S, K, 2 D)`; documents of one block should follow each other.

    cos 2a = cos^2 a - sin^2 a and sin 2a = 2 sin a cos a make cases for quadrants unnecessary.
    Without fast-math no operation is fused or moved, so every processor gives the same numbers.
    """
    documents, count = projected.shape
    cosines, sines = np.empty(count, np.int32), np.empty(count, np.int32)
    for k in range(len(scales)):
        scale = scales[k]
        start = 0
        while start < documents:
            block, end = blocks[start], start
            cosines[:] = 0
            sines[:] = 0
            while end < documents and blocks[end] == block and end - start < _RUN:
                row = projected[end]
                for i in range(count):
                    turns = row[i] * scale[i]
                    x = turns - np.rint(turns)
                    z = x * x
                    s = _SIN[3] + z * _SIN[4]
                    s = x * (_SIN[0] + z * (_SIN[1] + z * (_SIN[2] + z * s)))
                    c = _COS[3] + z * (_COS[4] + z * _COS[5])
                    c = _COS[0] + z * (_COS[1] + z * (_COS[2] + z * c))
                    cosines[i] += np.int32((_SCALE * (c * c - s * s) + _ROUND) - _ROUND)
                    sines[i] += np.int32((_SCALE * (_TWO * s * c) + _ROUND) - _ROUND)
                end += 1
            into = sums[block, k]
            for i in range(count):
                into[i] += cosines[i]
                into[count + i] += sines[i]
            start = end
