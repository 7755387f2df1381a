"""Makes `docs/hero.gif`, the moving picture of the main README, from the film of `dp-plus explain`.

dp-plus explain hub_cards/pusht_state --seed 100058 --output outputs/hero
python scripts/hero.py outputs/hero/film.mp4
"""

import sys
from pathlib import Path

import av
from PIL import Image

WIDTH, FPS, COLOURS = 380, 12, 64


def main(film: Path, picture: Path = Path("docs") / "hero.gif") -> None:
    """Shrink every frame, and give all of them one palette so that the file is small."""
    with av.open(str(film)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    height = round(frames[0].height * WIDTH / frames[0].width)
    small = [frame.resize((WIDTH, height), Image.Resampling.LANCZOS) for frame in frames]
    palette = small[len(small) // 2].quantize(COLOURS)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    drawn[0].save(picture, save_all=True, append_images=drawn[1:], duration=1000 // FPS, loop=0, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
