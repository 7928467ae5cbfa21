"""Ramps of colour whose steps look equally far apart.

Colours are mixed in OKLab, from Björn Ottosson, "A perceptual color space for image processing"
(2020), which is where the matrices come from.
"""

import itertools
import math


def even_steps(stops: tuple[str, ...], count: int) -> tuple[str, ...]:
    """`count` colours along the way through the stops, equally far apart in OKLab.

    Args:
        stops: Two or more colours as `#rrggbb`.
        count: Two or more.
    """
    points = [_to_oklab(stop) for stop in stops]
    lengths = [math.dist(a, b) for a, b in itertools.pairwise(points)]
    total = sum(lengths)
    steps = []
    for index in range(count):
        way = total * index / (count - 1)
        leg = 0
        while leg < len(lengths) - 1 and way > lengths[leg]:
            way -= lengths[leg]
            leg += 1
        share = way / lengths[leg]
        start, end = points[leg], points[leg + 1]
        steps.append(_from_oklab([a + (b - a) * share for a, b in zip(start, end, strict=True)]))
    return tuple(steps)


def _to_oklab(colour: str) -> list[float]:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return [
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    ]


def _from_oklab(point: list[float]) -> str:
    lightness, a, b = point
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    channels = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    return "#" + "".join(f"{round(_gamma(value) * 255):02x}" for value in channels)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _gamma(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
