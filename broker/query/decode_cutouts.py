"""Cutout images from the bytes that surveys send."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

Image = npt.NDArray[np.float32]
_GZIP = b"\x1f\x8b"
_FITS = b"SIMPLE"


def cutout_name(field: str) -> str:
    """Name of an image, from the packet's field.

    Examples
    --------
    >>> cutout_name("cutoutScience"), cutout_name("cutout_science")
    ('Science', 'Science')
    """
    return field.removeprefix("cutout").strip("_").capitalize()


def decode_cutout(value: Any) -> Image | None:
    """Image of a cutout: gzipped or plain FITS bytes, or a record that holds them.

    Returns
    -------
    array of shape (rows, columns) or None
        Row 0 is the lowest; None where there is no image, or none that can be read.
    """
    data = value.get("stampData") if isinstance(value, dict) else value
    if not data:
        return None
    try:
        if data[:2] == _GZIP:
            data = gzip.decompress(data)
        if not data.startswith(_FITS):
            return None
        with fits.open(io.BytesIO(data), memmap=False, ignore_missing_simple=True) as hdus:
            image = next((hdu.data for hdu in hdus if hdu.data is not None), None)
    except (OSError, EOFError, ValueError):
        return None
    return None if image is None else np.asarray(image, dtype=np.float32)
