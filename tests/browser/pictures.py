"""The pictures in `docs/screens`: as the page looks, in few bytes."""

import base64
import struct
import zlib
from pathlib import Path

from playwright.async_api import Page

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
MOST_BYTES = 150_000
# A colour that so few dots have is the edge of a letter. There are thousands of those: with fewer
# shades of them nobody sees the difference, and a picture has half the bytes.
RARE = 400
SHADES = 32


async def picture(page: Page, name: str) -> None:
    """Keep what this window shows. Raises AssertionError for a picture that is too large."""
    await page.mouse.move(0, 0)
    await page.evaluate("document.fonts.ready.then(() => true)")
    taken = await page.screenshot(animations="disabled", caret="hide")
    # An empty page has no content policy that would forbid to read the picture there.
    workshop = await page.context.new_page()
    shown = [base64.b64encode(taken).decode(), RARE, SHADES - 1]
    width, height, pixels = await workshop.evaluate(PIXELS, shown)
    await workshop.close()
    path = SCREENS / f"{name}.png"
    path.write_bytes(png(width, height, base64.b64decode(pixels)))
    assert path.stat().st_size < MOST_BYTES


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of `pixels`, three bytes each, line by line (ISO/IEC 15948)."""
    lines = (pixels[at : at + 3 * width] for at in range(0, 3 * width * height, 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


PIXELS = """async ([taken, rare, most]) => {
  const answer = await fetch(`data:image/png;base64,${taken}`);
  const image = await createImageBitmap(await answer.blob());
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, image.width, image.height);
  const colours = new Uint32Array(data.buffer);
  const dots = new Map();
  for (const colour of colours) dots.set(colour, (dots.get(colour) ?? 0) + 1);
  const near = (value) => (Math.round((value / 255) * most) / most) * 255;
  const shown = new Uint8Array(3 * colours.length);
  colours.forEach((colour, nth) => {
    const [red, green, blue] = data.subarray(4 * nth);
    const dot = [red, green, blue];
    shown.set(dots.get(colour) > rare ? dot : dot.map(near), 3 * nth);
  });
  return [image.width, image.height, shown.toBase64()];
}"""
