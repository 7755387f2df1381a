"""The benchmark of two cameras runs, and counts the bytes that a hand counts."""

import json

import pytest

from benchmarks import pictures
from benchmarks.pictures import HOST, HOST_MEMORY, OURS


def test_it_runs_and_its_ratios_are_those_of_its_rates(tmp_path, capsys):
    pictures.main(["--quick", "--threads", "1", "--json", str(tmp_path / "pictures.json")])
    result = json.loads((tmp_path / "pictures.json").read_text())
    assert result["quick"] and result["commit"] and result["machine"]["threads_used"] == 1
    held, found = result["small_cnn"]["held"], result["small_cnn"]
    assert (
        held["frames"] == 60
        and held["bytes_a_frame"] == 2 * 3 * 48 * 64
        and held["bytes_a_whole_frame"] == 2 * 3 * 96 * 128
    )
    assert held["fifty_episodes_gib"] == pytest.approx(2 * 3 * 48 * 64 * pictures.FIFTY_EPISODES / 2**30)
    rates = {title: values["median"] for title, values in found["updates_per_s"].items()}
    assert rates.keys() == {OURS, HOST, HOST_MEMORY} and min(rates.values()) > 0
    for other in (HOST, HOST_MEMORY):
        assert found["ratios"][f"{OURS} ÷ {other}"]["median"] == pytest.approx(rates[OURS] / rates[other])
        assert 0 < found["share_waiting"][other]["median"] < 1
    assert result["chunk"]["calls"] == 10 and result["chunk"]["ms"].keys() == {"small_cnn", "small_cnn, not shrunk"}
    printed = capsys.readouterr().out
    assert "18,432 of 73,728" in printed and "picture in, chunk out, 10 calls" in printed
