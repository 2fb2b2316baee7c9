"""The demo's pictures, drawn here: no photo of anybody, nothing fetched. Each is drawn at twice its size, then halved.

The same name always gives the same picture.
"""

import io
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Color = tuple[int, int, int]
Point = tuple[float, float]
Canvas = tuple[Image.Image, ImageDraw.ImageDraw]

_SCALE: Final = 2
_INK: Final = (24, 48, 56)
_PAPER: Final = (247, 245, 238)
_QUIET: Final = (110, 128, 130)
_STONE: Final = (222, 214, 196)
_SHADE: Final = (176, 167, 146)
_RED: Final = (200, 66, 38)
_AMBER: Final = (255, 178, 74)
_GREEN: Final = (47, 106, 100)


class Picture(msgspec.Struct, frozen=True):
    """An encoded picture; width and height in pixels."""

    body: bytes
    content_type: str
    width: int
    height: int


def draw(name: str) -> Picture:
    """The picture of this name. Takes about a tenth of a second of a processor."""
    image = _PICTURES[name]()
    small = image.resize((image.width // _SCALE, image.height // _SCALE), Image.Resampling.LANCZOS)
    return _encode(small, "PNG" if ending(name) == "png" else "JPEG")


def ending(name: str) -> str:
    """Of its file's name."""
    return "png" if name.startswith(("chart", "sketch", "avatar")) else "jpg"


def notes_pdf() -> bytes:
    """A page of notes with a chart, as a PDF."""
    image, pen = _canvas(827, 1169, _PAPER)
    _text(pen, (80, 90), "Beacon board: notes of the first week", 34, _INK)
    lines = (
        "1. Nobody reads more than three lines on the way to a room.",
        "2. Large type, dark ground: the night shift decides.",
        "3. A message that waits is worse than a message that failed.",
        "4. Whoever wrote it wants to know who has read it.",
    )
    for number, line in enumerate(lines):
        _text(pen, (80, 190 + number * 52), line, 22, _INK)
    chart = chart_reading().resize((660 * _SCALE, 440 * _SCALE))
    image.paste(chart, (80 * _SCALE, 460 * _SCALE))
    _text(pen, (80, 1060), "Page 1 of 1", 18, _QUIET)
    buffer = io.BytesIO()
    image.save(buffer, "PDF", resolution=200)
    return buffer.getvalue()


# --- tools ---


def _canvas(width: int, height: int, ground: Color) -> Canvas:
    image = Image.new("RGB", (width * _SCALE, height * _SCALE), ground)
    return image, ImageDraw.Draw(image)


def _up(points: Sequence[Point]) -> list[Point]:
    return [(x * _SCALE, y * _SCALE) for x, y in points]


def _shape(pen: ImageDraw.ImageDraw, points: Sequence[Point], fill: Color) -> None:
    pen.polygon(_up(points), fill=fill)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
    pen.ellipse(_up([(x - rx, y - ry), (x + rx, y + ry)]), fill=fill)


def _line(pen: ImageDraw.ImageDraw, points: Sequence[Point], fill: Color, width: float) -> None:
    pen.line(_up(points), fill=fill, width=round(width * _SCALE), joint="curve")


def _box(pen: ImageDraw.ImageDraw, left: Point, right: Point, fill: Color, radius: float = 0) -> None:
    pen.rounded_rectangle(_up([left, right]), radius=radius * _SCALE, fill=fill)


def _text(pen: ImageDraw.ImageDraw, at: Point, text: str, size: int, fill: Color, anchor: str = "la") -> None:
    font: Any = ImageFont.load_default(size * _SCALE)
    pen.text(_up([at])[0], text, fill=fill, font=font, anchor=anchor)


def _encode(image: Image.Image, kind: str) -> Picture:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": 88, "progressive": True} if kind == "JPEG" else {}
    image.save(buffer, kind, optimize=True, **options)
    return Picture(buffer.getvalue(), f"image/{kind.lower()}", image.width, image.height)


def _sky(image: Image.Image, top: Color, bottom: Color) -> None:
    """Fills the picture from the top's colour to the bottom's."""
    ramp = Image.linear_gradient("L").resize(image.size)
    image.paste(Image.composite(Image.new("RGB", image.size, bottom), Image.new("RGB", image.size, top), ramp))


def _ridge(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], base: float, height: float, seed: int, fill: Color
) -> list[Point]:
    """Draws a mountain ridge across the picture and returns its outline."""
    chance = random.Random(seed)  # noqa: S311
    waves = [(chance.uniform(0.7, 1.3), chance.uniform(0, math.tau)) for _ in range(5)]
    outline: list[Point] = [(x, base - height * _wave(x / size[0], waves)) for x in range(0, size[0] + 8, 8)]
    _shape(pen, [*outline, (size[0] + 8, size[1]), (0, size[1])], fill)
    return outline


def _wave(t: float, waves: Sequence[tuple[float, float]]) -> float:
    return sum(
        (1 - abs(math.sin(t * math.pi * 1.6 * stretch * 1.9**k + phase))) / 2.1**k
        for k, (stretch, phase) in enumerate(waves)
    )


def _glow(image: Image.Image, x: float, y: float, radius: float, color: Color) -> None:
    """Adds soft light around a point."""
    light = Image.new("RGB", image.size)
    for share, part in ((1.0, 4), (0.5, 3), (0.2, 2)):
        shade: Any = tuple(value // part for value in color)
        _disc(ImageDraw.Draw(light), x, y, radius * share, radius * share, shade)
    small = light.resize((image.width // 8, image.height // 8))
    blurred = small.filter(ImageFilter.GaussianBlur(radius * _SCALE / 24)).resize(image.size)
    image.paste(ImageChops.screen(image, blurred))


def _tower(pen: ImageDraw.ImageDraw, x: float, y: float, size: float, stone: Color, shade: Color) -> Point:
    """A beacon's hearth with its foot at (x, y); returns where its fire stands."""
    foot, head, height = size * 0.42, size * 0.27, size
    _shape(pen, [(x - foot, y), (x - head, y - height), (x + head, y - height), (x + foot, y)], stone)
    _shape(pen, [(x, y), (x, y - height), (x + head, y - height), (x + foot, y)], shade)
    for row in range(1, 6):
        level = y - height * row / 6
        half = foot + (head - foot) * row / 6
        _line(pen, [(x - half, level), (x + half, level)], shade, size * 0.012)
    _box(pen, (x - head * 1.2, y - height * 1.1), (x + head * 1.2, y - height), shade)
    return x, y - height * 1.1


def _flame(image: Image.Image, at: Point, size: float) -> None:
    x, y = at
    _glow(image, x, y - size * 0.4, size * 3.2, (255, 150, 60))
    pen = ImageDraw.Draw(image)
    for share, color in ((1.0, _RED), (0.72, (255, 140, 40)), (0.42, (255, 226, 150))):
        wide, tall = size * 0.42 * share, size * share
        side = [(x + wide * math.sin(t * math.pi) * (1 - t * 0.45), y - tall * t) for t in (k / 20 for k in range(21))]
        other = [
            (x - wide * math.sin(t * math.pi) * (1 - t * 0.75), y - tall * t * 0.94)
            for t in (k / 20 for k in range(21))
        ]
        _shape(pen, [*side, *reversed(other)], color)


# --- pictures ---


def beacon_dusk() -> Image.Image:
    """One fire on the nearest hill, answered from those behind."""
    size = (1200, 800)
    image, pen = _canvas(*size, (0, 0, 0))
    _sky(image, (20, 30, 52), (226, 132, 92))
    pen = ImageDraw.Draw(image)
    _disc(pen, 930, 560, 52, 52, (255, 210, 150))
    far = _ridge(pen, size, 600, 130, 3, (108, 76, 88))
    _ridge(pen, size, 680, 120, 8, (62, 52, 70))
    for x in (20, 96):
        _flame(image, (far[x][0], far[x][1] + 4), 16)
    pen = ImageDraw.Draw(image)
    hill = [(x, 720 - 170 * math.exp(-(((x - 430) / 300) ** 2))) for x in range(0, 1210, 10)]
    _shape(pen, [*hill, (1210, 800), (0, 800)], (22, 26, 38))
    for number, x in enumerate((310, 370, 430, 490, 550)):
        fire = _tower(pen, x, hill[x // 10][1] + 10, 74, (70, 66, 74), (48, 46, 56))
        if number == 2:
            lit = fire
    _flame(image, lit, 78)
    return image


def hills_day() -> Image.Image:
    """Blue-green hills in the morning, and one column of smoke."""
    size = (1200, 800)
    image, _ = _canvas(*size, (0, 0, 0))
    _sky(image, (186, 214, 218), (247, 243, 228))
    pen = ImageDraw.Draw(image)
    _disc(pen, 250, 190, 60, 60, (255, 252, 240))
    _ridge(pen, size, 470, 120, 4, (174, 200, 200))
    _ridge(pen, size, 560, 130, 9, (128, 168, 166))
    top = _ridge(pen, size, 650, 140, 2, (82, 132, 128))
    x, y = min(top[60:120], key=lambda point: point[1])
    fire = _tower(pen, x, y + 10, 60, _STONE, _SHADE)
    smoke = Image.new("L", image.size)
    brush = ImageDraw.Draw(smoke)
    for step in range(60):
        t = step / 59
        half = 5 + 34 * t
        brush.ellipse(
            _up(
                [
                    (fire[0] + 120 * t**1.6 - half, fire[1] - 380 * t - half),
                    (fire[0] + 120 * t**1.6 + half, fire[1] - 380 * t + half),
                ]
            ),
            fill=round(190 * (1 - t) ** 1.2),
        )
    image.paste(Image.new("RGB", image.size, (92, 104, 106)), mask=smoke.filter(ImageFilter.GaussianBlur(10)))
    _ridge(ImageDraw.Draw(image), size, 800, 110, 6, (36, 86, 84))
    return image


def bread() -> Image.Image:
    """A loaf and two rolls on a board."""
    image, pen = _canvas(1200, 800, (240, 226, 204))
    _box(pen, (0, 560), (1200, 800), (201, 168, 130))
    _box(pen, (140, 520), (1060, 660), (150, 104, 66), 40)
    _box(pen, (140, 510), (1060, 640), (176, 128, 84), 40)
    _loaf(pen, 520, 470, 300, 150)
    _loaf(pen, 900, 535, 110, 76)
    _loaf(pen, 300, 560, 96, 62)
    return image.filter(ImageFilter.GaussianBlur(2))


def _loaf(pen: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float) -> None:
    for share, color in ((1.0, (150, 82, 36)), (0.95, (186, 110, 52)), (0.84, (206, 134, 70))):
        _disc(pen, x, y - ry * (1 - share) * 0.8, rx * share, ry * share, color)
    for cut in (-0.5, -0.17, 0.17, 0.5):
        a, b = x + rx * cut - rx * 0.1, x + rx * cut + rx * 0.1
        _line(pen, [(a, y + ry * 0.1), (b, y - ry * 0.62)], (244, 214, 164), rx * 0.07)


def persimmon() -> Image.Image:
    """A branch of ripe persimmons against an autumn sky."""
    image, _ = _canvas(900, 1100, (0, 0, 0))
    _sky(image, (132, 182, 206), (232, 240, 238))
    pen = ImageDraw.Draw(image)
    _line(pen, [(-20, 240), (260, 300), (520, 250), (760, 330), (930, 300)], (74, 56, 46), 22)
    _line(pen, [(260, 300), (340, 480), (330, 620)], (74, 56, 46), 12)
    _line(pen, [(520, 250), (600, 430)], (74, 56, 46), 12)
    chance = random.Random(12)  # noqa: S311
    for x, y in ((330, 700), (600, 520), (180, 420), (760, 450), (470, 380)):
        radius = chance.uniform(74, 92)
        _disc(pen, x, y, radius, radius * 0.86, (214, 92, 30))
        _disc(pen, x - radius * 0.12, y - radius * 0.12, radius * 0.82, radius * 0.68, (238, 122, 44))
        _disc(pen, x - radius * 0.35, y - radius * 0.3, radius * 0.2, radius * 0.13, (255, 196, 140))
        for turn in range(4):
            angle = math.tau * turn / 4 + 0.6
            _disc(pen, x + 22 * math.cos(angle), y - radius * 0.72 + 10 * math.sin(angle), 24, 10, (92, 110, 62))
    return image


def tea() -> Image.Image:
    """A cup of tea on a dark table."""
    image, pen = _canvas(1000, 1000, (44, 40, 40))
    _disc(pen, 500, 520, 420, 420, (58, 52, 50))
    _disc(pen, 500, 520, 330, 330, (214, 222, 214))
    _disc(pen, 500, 520, 300, 300, (186, 200, 192))
    _disc(pen, 500, 520, 268, 268, (168, 118, 52))
    _disc(pen, 470, 490, 220, 220, (188, 138, 66))
    _glow(image, 410, 420, 90, (255, 230, 180))
    return image


def chart_calls() -> Image.Image:
    """Bars: calls a night."""
    image, pen = _canvas(1000, 640, _PAPER)
    _text(pen, (60, 50), "Calls a night, ward 7", 32, _INK)
    values = {"Mon": 14, "Tue": 11, "Wed": 23, "Thu": 16, "Fri": 12, "Sat": 9, "Sun": 13}
    for level in range(0, 26, 5):
        y = 540 - level * 16
        _line(pen, [(90, y), (950, y)], (222, 222, 212), 1)
        _text(pen, (76, y), str(level), 18, _QUIET, "rm")
    for number, (day, value) in enumerate(values.items()):
        x = 130 + number * 118
        _box(pen, (x, 540 - value * 16), (x + 70, 540), _RED if value > 20 else _GREEN, 6)
        _text(pen, (x + 35, 530 - value * 16), str(value), 20, _INK, "mb")
        _text(pen, (x + 35, 556), day, 20, _QUIET, "ma")
    return image


def chart_reading() -> Image.Image:
    """A line: when the board is read."""
    image, pen = _canvas(1000, 640, _PAPER)
    _text(pen, (60, 50), "Notes read on the board, an hour", 32, _INK)
    for level in range(0, 101, 25):
        y = 560 - level * 4
        _line(pen, [(90, y), (950, y)], (222, 222, 212), 1)
        _text(pen, (76, y), str(level), 18, _QUIET, "rm")
    chance = random.Random(21)  # noqa: S311
    values = [
        18 + 6 * math.sin(k / 4) + chance.uniform(0, 6) + (52 * math.exp(-(((k - 44) / 4) ** 2))) for k in range(60)
    ]
    points = [(100 + k * 14.2, 560 - value * 4) for k, value in enumerate(values)]
    _line(pen, points, _GREEN, 4)
    peak = min(points, key=lambda point: point[1])
    _disc(pen, *peak, 9, 9, _RED)
    _text(pen, (peak[0], peak[1] - 16), "shift change", 20, _RED, "mb")
    for number, day in enumerate(("12:00", "14:00", "16:00", "18:00", "20:00", "22:00")):
        _text(pen, (140 + number * 152, 576), day, 20, _QUIET, "ma")
    return image


def sketch_board() -> Image.Image:
    """A first sketch of a message board: three lines, large, on a dark ground."""
    image, pen = _canvas(1000, 700, (230, 228, 220))
    _box(pen, (110, 60), (890, 640), (30, 34, 38), 36)
    _box(pen, (140, 90), (860, 610), (14, 26, 32), 20)
    for number, (color, width) in enumerate(((_AMBER, 520), ((150, 176, 178), 440), ((150, 176, 178), 580))):
        y = 150 + number * 140
        _disc(pen, 200, y + 36, 34, 34, color)
        _box(pen, (260, y), (260 + width, y + 30), color, 8)
        _box(pen, (260, y + 48), (260 + width * 0.6, y + 66), (70, 92, 96), 8)
    return image


# --- faces ---


def _avatar(ground: Color, mark: Callable[[ImageDraw.ImageDraw], None]) -> Callable[[], Image.Image]:
    def make() -> Image.Image:
        image, pen = _canvas(256, 256, ground)
        mark(pen)
        return image

    return make


_WHITE: Final = (255, 252, 244)


def _cross(pen: ImageDraw.ImageDraw) -> None:
    _box(pen, (108, 62), (148, 194), _WHITE, 10)
    _box(pen, (62, 108), (194, 148), _WHITE, 10)


def _pulse(pen: ImageDraw.ImageDraw) -> None:
    _line(pen, [(40, 134), (92, 134), (112, 84), (140, 184), (160, 120), (172, 134), (216, 134)], _WHITE, 14)


def _lamp(pen: ImageDraw.ImageDraw) -> None:
    _disc(pen, 128, 116, 58, 58, (255, 224, 150))
    _box(pen, (104, 160), (152, 204), _WHITE, 8)
    _box(pen, (112, 204), (144, 216), _WHITE, 4)


def _bun(pen: ImageDraw.ImageDraw) -> None:
    _loaf(pen, 128, 138, 88, 58)


def _heart(pen: ImageDraw.ImageDraw) -> None:
    points = [
        (
            128 + 5.0 * 16 * math.sin(t) ** 3,
            122 - 5.0 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in (math.tau * k / 80 for k in range(80))
    ]
    _shape(pen, points, _WHITE)


def _mountain(pen: ImageDraw.ImageDraw) -> None:
    _disc(pen, 178, 84, 24, 24, (255, 214, 130))
    _shape(pen, [(24, 200), (100, 84), (176, 200)], _WHITE)
    _shape(pen, [(120, 200), (174, 124), (232, 200)], (214, 226, 224))


def _cog(pen: ImageDraw.ImageDraw) -> None:
    for k in range(8):
        angle = math.tau * k / 8
        _disc(pen, 128 + 66 * math.cos(angle), 128 + 66 * math.sin(angle), 20, 20, _WHITE)
    _disc(pen, 128, 128, 66, 66, _WHITE)
    _disc(pen, 128, 128, 28, 28, (58, 84, 126))


def _pencil(pen: ImageDraw.ImageDraw) -> None:
    _shape(pen, [(70, 186), (82, 142), (172, 52), (204, 84), (114, 174)], _WHITE)
    _shape(pen, [(70, 186), (76, 164), (92, 180)], (60, 52, 70))
    _line(pen, [(152, 72), (184, 104)], (196, 150, 190), 8)


def avatar_square() -> Image.Image:
    image, pen = _canvas(256, 256, (16, 40, 52))
    _flame(image, _tower(pen, 128, 226, 92, _STONE, _SHADE), 96)
    return image


def _roof(pen: ImageDraw.ImageDraw) -> None:
    _shape(pen, [(36, 128), (128, 54), (220, 128)], _WHITE)
    _box(pen, (64, 120), (192, 206), _WHITE, 6)
    _box(pen, (110, 150), (146, 206), (188, 108, 76))


def _bed(pen: ImageDraw.ImageDraw) -> None:
    _box(pen, (46, 84), (60, 190), _WHITE, 6)
    _box(pen, (46, 138), (212, 170), _WHITE, 8)
    _box(pen, (198, 138), (212, 190), _WHITE, 6)
    _box(pen, (70, 108), (116, 132), _WHITE, 10)


def _house(pen: ImageDraw.ImageDraw) -> None:
    _box(pen, (62, 70), (194, 204), _WHITE, 8)
    _box(pen, (118, 90), (138, 146), (36, 120, 84), 4)
    _box(pen, (100, 108), (156, 128), (36, 120, 84), 4)
    _box(pen, (112, 164), (144, 204), (36, 120, 84), 4)


def _board(pen: ImageDraw.ImageDraw) -> None:
    _box(pen, (48, 64), (208, 182), _WHITE, 10)
    for number, width in enumerate((96, 120, 72)):
        _box(pen, (68, 84 + number * 30), (68 + width, 100 + number * 30), (140, 78, 48), 4)
    _box(pen, (118, 182), (138, 210), _WHITE, 4)


def _horn(pen: ImageDraw.ImageDraw) -> None:
    _shape(pen, [(60, 106), (112, 106), (178, 62), (178, 186), (112, 142), (60, 142)], _WHITE)
    _box(pen, (80, 140), (108, 196), _WHITE, 8)
    _box(pen, (188, 106), (212, 142), _WHITE, 10)


_PICTURES: Final[dict[str, Callable[[], Image.Image]]] = {
    "beacon-dusk": beacon_dusk,
    "hills-day": hills_day,
    "bread": bread,
    "persimmon": persimmon,
    "tea": tea,
    "chart-calls": chart_calls,
    "chart-reading": chart_reading,
    "sketch-board": sketch_board,
    "avatar-demo-nurse": _avatar((38, 128, 120), _cross),
    "avatar-demo-senior": _avatar((94, 84, 150), _lamp),
    "avatar-demo-doctor": _avatar((34, 100, 156), _pulse),
    "avatar-demo-baker": _avatar((246, 226, 190), _bun),
    "avatar-demo-mum": _avatar((206, 92, 96), _heart),
    "avatar-demo-dad": _avatar((70, 128, 92), _mountain),
    "avatar-demo-engineer": _avatar((58, 84, 126), _cog),
    "avatar-demo-designer": _avatar((150, 92, 142), _pencil),
    "avatar-demo-centre": _avatar((36, 120, 84), _house),
    "avatar-demo-coordinator": _avatar((140, 78, 48), _board),
    "avatar-demo-hospital": _avatar((40, 92, 150), _bed),
    "avatar-demo-channel": _avatar((176, 112, 28), _horn),
    "avatar-channel": _avatar((24, 108, 96), _house),
    "avatar-square": avatar_square,
    "avatar-ward": _avatar((24, 60, 92), _cross),
    "avatar-family": _avatar((188, 108, 76), _roof),
    "avatar-bakery": _avatar((120, 74, 44), _bun),
    "avatar-project": _avatar((36, 52, 84), _cog),
    "avatar-walk": _avatar((46, 100, 84), _mountain),
}
NAMES: Final = tuple(_PICTURES)
