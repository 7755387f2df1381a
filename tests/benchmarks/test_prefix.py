"""The benchmark of the prefix, at tiny size: three ways to the same chunks, and what it writes."""

import json

from benchmarks import prefix


def test_it_times_three_ways_that_agree(tmp_path, capsys):
    file = tmp_path / "prefix.json"
    assert prefix.main(["--rounds", "2", "--candidates", "3", "--calls", "2", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found["milliseconds"].keys() == {prefix.ONCE, prefix.EACH_CALL, prefix.EACH_ROW}
    for name in (prefix.EACH_CALL, prefix.EACH_ROW):
        low, middle, high = found["ratios"][f"{prefix.ONCE} ÷ {name}"]
        assert 0 < low <= middle <= high
    assert prefix.EACH_ROW in capsys.readouterr().out
    assert found["limit"] == {f"{prefix.ONCE} ÷ {prefix.EACH_ROW}": prefix.LIMIT}
