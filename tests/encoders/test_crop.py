"""One window per sample: which pixels it holds, and who shares it."""

import torch

from lerobot_dp_plus.encoders.crop import centre_crop, random_crop


def coordinates(batch: int, steps: int, height: int, width: int) -> torch.Tensor:
    """Images whose pixels say where they are: channels are row, column and 100·sample + step."""
    rows = torch.arange(height).float()[:, None].expand(height, width)
    columns = torch.arange(width).float()[None, :].expand(height, width)
    images = torch.stack([rows, columns, torch.zeros(height, width)]).repeat(batch, steps, 1, 1, 1)
    images[:, :, 2] += (100 * torch.arange(batch)[:, None] + torch.arange(steps))[:, :, None, None]
    return images


def test_random_windows_are_contiguous_and_belong_to_their_sample() -> None:
    images = coordinates(batch=8, steps=3, height=12, width=17)
    windows = random_crop(images, 9, 10)
    assert windows.shape == (8, 3, 3, 9, 10)
    top, left = windows[:, :, 0, 0, 0], windows[:, :, 1, 0, 0]  # (B, T_o) each
    for sample in range(8):
        for step in range(3):
            row, column = int(top[sample, step]), int(left[sample, step])
            assert torch.equal(windows[sample, step], images[sample, step, :, row : row + 9, column : column + 10])


def test_offsets_differ_between_samples_and_agree_across_steps() -> None:
    torch.manual_seed(0)
    windows = random_crop(coordinates(batch=400, steps=2, height=12, width=17), 9, 10)
    offsets = windows[:, :, :2, 0, 0].long()  # (B, T_o, 2)
    assert torch.equal(offsets[:, 0], offsets[:, 1])
    top, left = offsets[:, 0].unbind(-1)
    assert set(top.tolist()) == set(range(4)) and set(left.tolist()) == set(range(8))  # every legal offset, no other
    assert len(set(zip(top.tolist(), left.tolist(), strict=True))) == 4 * 8  # rows and columns independent


def test_centre_crop_is_centred() -> None:
    window = centre_crop(coordinates(batch=1, steps=1, height=12, width=17), 8, 10)[0, 0]
    assert window[0].min() == 2 and window[0].max() == 9  # 2 rows left on either side
    assert window[1].min() == 3 and window[1].max() == 12  # 3 columns on the left, 4 on the right
