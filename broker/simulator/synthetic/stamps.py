"""Cutouts: 63 × 63 pixels around the alert in the science, template and difference image.

Stars are Gaussians with wings, galaxies sums of two wider ones; noise is cut from one pool of
normal numbers, which is a hundred times faster than drawing it. As in the survey, the difference
shows a fading source bright too: it is the reference minus the science image then.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broker.simulator.synthetic.catalogue import Neighbours, density
from broker.simulator.synthetic.conditions import flux_njy, seeing_pixels
from broker.simulator.synthetic.draws import Draws, Floats, Ints
from broker.simulator.synthetic.observe import Observed, at_alert
from broker.simulator.synthetic.populations.artefact import GHOST, RESIDUAL, SPIKE

SIZE = 63
_CENTRE = 31
_SCALE_ARCSEC = 1.01
_POOL = 2**20
_POOL_SEED = 63
_EXTRAS = 6
_SKY_TO_NOISE = 0.64
_PIXELS_IN_PSF = 8.0
_ELECTRONS_PER_COUNT = 6.2
_BLOCK = 2880
_FWHM_TO_SIGMA = 2.3548

Images = npt.NDArray[np.float32]


def _header() -> bytes:
    cards = [
        f"{'SIMPLE':<8}= {'T':>20}",
        f"{'BITPIX':<8}= {-32:>20}",
        f"{'NAXIS':<8}= {2:>20}",
        f"{'NAXIS1':<8}= {SIZE:>20}",
        f"{'NAXIS2':<8}= {SIZE:>20}",
        f"{'BUNIT':<8}= 'DN      '",
        "END",
    ]
    return "".join(f"{card:<80}" for card in cards).encode().ljust(_BLOCK)


_HEADER = _header()
_PADDING = bytes(-SIZE * SIZE * 4 % _BLOCK)
_NOISE = np.lib.stride_tricks.sliding_window_view(
    np.random.Generator(np.random.Philox(_POOL_SEED)).standard_normal(_POOL, dtype=np.float32),
    SIZE * SIZE,
)


@dataclass(frozen=True)
class _Scene:
    """Sources in each stamp; shape (K, S): offsets from the centre in pixels, counts, width."""

    x: Floats
    y: Floats
    count: Floats
    radius: Floats


def stamps(observed: Observed, near: Neighbours) -> tuple[Images, Images, Images]:
    """Science, template and difference image of each alert, shape (K, 63, 63), counts."""
    draws = Draws(at_alert(observed.exposures.draws.keys, observed) ^ observed.keys)
    image = Draws(at_alert(observed.exposures.draws.keys, observed))
    zero_point = at_alert(observed.exposures.zero_point, observed)
    seeing = seeing_pixels(image)
    count = flux_njy(zero_point)
    noise = flux_njy(at_alert(observed.exposures.limit, observed)) / 5.0 / count / _PIXELS_IN_PSF
    background = (noise / _SKY_TO_NOISE) ** 2
    scene = _scene(observed, near, count)
    change = _change(observed, at_alert(observed.true, observed) / count, seeing)
    reference_seeing = np.full_like(seeing, 1.9)
    quiet = _render(scene, reference_seeing)
    science = _noisy(_render(scene, seeing) + change, background, noise, draws, "science")
    template = _noisy(quiet, background, 0.2 * noise, draws, "template")
    residue = _residues(scene, seeing, draws)
    bright = np.sqrt(1.0 + quiet / (_ELECTRONS_PER_COUNT * noise[:, None, None] ** 2))
    difference = change + residue + _tiles(draws, "difference") * (bright * noise[:, None, None])
    sign = np.where(at_alert(observed.measured, observed) > 0.0, 1.0, -1.0)
    return science, template, (difference * sign[:, None, None]).astype(np.float32)


def fits_gz(image: npt.NDArray[np.float32]) -> bytes:
    """A stamp as a gzipped FITS file.

    Huffman coding alone: noise has no repeats to look for, and looking takes three times as long.
    The gzip header has no time in it.
    """
    packer = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    body = _HEADER + image.astype(">f4").tobytes() + _PADDING
    return packer.compress(body) + packer.flush()


def _scene(observed: Observed, near: Neighbours, count: Floats) -> _Scene:
    """Counterpart, catalogued neighbours and a few more stars by the density of the field."""
    draws, counterpart = observed.draws, observed.counterpart
    is_g = at_alert(observed.exposures.fid, observed) == 1
    number = np.broadcast_to(np.arange(_EXTRAS), (len(count), _EXTRAS))
    angle = 2 * np.pi * draws.uniform("neighbour_angle", number[:, :1])[:, 0]
    own_mag = np.where(is_g, counterpart.g, counterpart.r)
    # The counterpart is first in the list of neighbours where it is listed at all.
    own_listed = np.abs(near.distance - counterpart.offset_arcsec[:, None]) < 1e-6
    listed = (near.distance > 0.0) & ~own_listed
    near_mag = np.where(is_g[:, None] & (near.g > 0.0), near.g, near.r)
    near_mag = np.where(listed & (near_mag > 0.0), near_mag, np.nan)
    more = (
        draws.uniform("extra", number)
        < np.minimum(density(observed.places.gal_lat) / 30, 1)[:, None]
    )
    extra_mag = np.where(more, 22.0 + 2.5 * np.log10(draws.uniform("extra_mag", number)), np.nan)
    extra_x = 62.0 * (draws.uniform("extra_x", number) - 0.5)
    extra_y = 62.0 * (draws.uniform("extra_y", number) - 0.5)
    offset = counterpart.offset_arcsec
    # East is to the left.
    x = np.concatenate([-(offset * np.cos(angle))[:, None], -near.east], axis=1) / _SCALE_ARCSEC
    y = np.concatenate([(offset * np.sin(angle))[:, None], near.north], axis=1) / _SCALE_ARCSEC
    mag = np.concatenate([own_mag[:, None], near_mag, extra_mag], axis=1)
    radius = np.zeros_like(mag)
    radius[:, 0] = counterpart.radius_arcsec / _SCALE_ARCSEC
    flux = np.nan_to_num(flux_njy(mag)) / count[:, None]
    return _Scene(
        np.concatenate([x, extra_x], axis=1), np.concatenate([y, extra_y], axis=1), flux, radius
    )


def _render(scene: _Scene, seeing: Floats) -> Images:
    """Sum of all sources, each a core with wings; shape (K, 63, 63)."""
    sigma = np.hypot(seeing[:, None] / _FWHM_TO_SIGMA, 0.8 * scene.radius)
    x = np.where(np.abs(scene.x) < 60.0, scene.x, 60.0)
    y = np.where(np.abs(scene.y) < 60.0, scene.y, 60.0)
    core = _gaussians(x, y, 0.85 * scene.count, sigma)
    return core + _gaussians(x, y, 0.15 * scene.count, 2.0 * sigma)


def _gaussians(x: Floats, y: Floats, count: Floats, sigma: Floats) -> Images:
    pixels = np.arange(SIZE, dtype=np.float32) - np.float32(_CENTRE)

    def profile(offset: Floats, scale: Floats) -> Images:
        width = sigma.astype(np.float32)[..., None]
        distance = (pixels - offset.astype(np.float32)[..., None]) / width
        shape = np.exp(np.float32(-0.5) * distance * distance)
        return np.asarray(shape * scale.astype(np.float32)[..., None])

    rows = profile(y, count / (2.0 * np.pi * sigma**2))
    columns = profile(x, np.ones_like(x))
    # No matrix product: its rounding depends on the processor.
    image = np.zeros((len(x), SIZE, SIZE), dtype=np.float32)
    for source in range(x.shape[1]):
        image += rows[:, source, :, None] * columns[:, source, None, :]
    return image


def _change(observed: Observed, count: Floats, seeing: Floats) -> Images:
    """The change itself: a star for what is real, oddities for artefacts."""
    sigma = (seeing / _FWHM_TO_SIGMA)[:, None]
    kind = observed.artefact[:, None]
    sigma = np.where(kind == SPIKE, 0.45, np.where(kind == GHOST, 3.0, sigma))
    zero = np.zeros_like(sigma)
    x = np.where(kind == RESIDUAL, 0.8, 0.0)
    core = _gaussians(zero + x, zero, count[:, None], sigma)
    wings = _gaussians(zero, zero, np.where(kind < 0, 0.12, 0.0) * count[:, None], 2.0 * sigma)
    dipole = _gaussians(
        zero - x, zero, np.where(kind == RESIDUAL, -0.8, 0.0) * count[:, None], sigma
    )
    return np.asarray(core + wings + dipole)


def _residues(scene: _Scene, seeing: Floats, draws: Draws) -> Images:
    """Imperfect subtraction of bright neighbours: a little too much here, too little there."""
    sigma = (seeing / _FWHM_TO_SIGMA)[:, None] * np.ones_like(scene.x)
    bright = np.where(scene.count > 3000.0, 0.012 * scene.count, 0.0)
    bright[:, 0] = 0.0
    tilt = 0.6 * draws.normal("tilt")[:, None]
    return np.asarray(
        _gaussians(scene.x + tilt, scene.y, bright, sigma)
        - _gaussians(scene.x - tilt, scene.y, bright, sigma)
    )


def _noisy(model: Images, background: Floats, noise: Floats, draws: Draws, name: str) -> Images:
    """Add sky and noise; photons of bright sources add their own."""
    sigma = noise[:, None, None].astype(np.float32)
    shot = np.sqrt(sigma**2 + np.maximum(model, 0.0) / _ELECTRONS_PER_COUNT)
    level = background[:, None, None].astype(np.float32)
    return np.asarray(model + level + _tiles(draws, name) * shot, dtype=np.float32)


def _tiles(draws: Draws, name: str) -> Images:
    start: Ints = (draws.uniform(name) * len(_NOISE)).astype(np.int64)
    return np.asarray(_NOISE[start].reshape(-1, SIZE, SIZE))
