"""What a figure shows, read back from matplotlib's SVG."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from matplotlib.image import imread

Points = npt.NDArray[np.float64]
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def texts(svg: str) -> list[str]:
    """The words of a figure. matplotlib draws text as outlines and leaves the words in comments."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", svg, flags=re.DOTALL)]


def lines(svg: str, colour: str) -> list[Points]:
    """The points of each line of a colour, shape (points, 2), in pixels: x to the right, y down."""
    return [
        np.array(re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path.get("d", "")), dtype=np.float64)
        for path in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if f"stroke: {colour}" in path.get("style", "") and "fill: none" in path.get("style", "")
    ]


def areas(svg: str, colour: str) -> list[Points]:
    """The corners of each filled shape of a colour, shape (corners, 2), in pixels."""
    return [
        np.array(re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path.get("d", "")), dtype=np.float64)
        for path in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if f"fill: {colour}" in path.get("style", "")
    ]


def images(svg: str) -> list[npt.NDArray[np.float32]]:
    """The raster images of a figure, each of shape (rows, columns, 4), in the order of drawing.

    matplotlib merges the images of one panel into one.
    """
    hrefs = [image.get(LINK, "") for image in ElementTree.fromstring(svg).iter(f"{SVG}image")]
    return [imread(io.BytesIO(base64.b64decode(href.partition("base64,")[2]))) for href in hrefs]
