"""The measurement of the data path, run for real on a made-up dataset."""

import json

import pytest

from benchmarks import loading


@pytest.mark.parametrize("camera", ["none", "image"])
def test_loaders_are_compared_and_have_a_limit(tmp_path, camera, capsys):
    sizes = ["--episodes=2", "--frames=30", "--batch-size=8", "--repeats=2", "--host-batches=1", "--memory-batches=20"]
    camera_flags = [f"--camera={camera}", "--size", "24", "32"]
    loading.main([*sizes, *camera_flags, f"--scratch={tmp_path}", f"--json={tmp_path / 'found.json'}"])
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found["ratio"]) == ({"memory"} if camera == "none" else {"memory", "disk", "disk_cold"})
    assert found["samples_compared_bit_for_bit"]["memory"] == 8
    rates = {name: rate["values"] for name, rate in found["samples_per_s"].items()}
    for name, share in found["share_of_limit"].items():
        each_round = zip(rates[name], rates["limit"], strict=True)
        assert share["values"] == pytest.approx([rate / limit for rate, limit in each_round])
    assert (tmp_path / "found.png").stat().st_size > 5000
    assert "the bytes alone" in capsys.readouterr().out
