"""A processor that only imitates a number format does not train in it because a config file says so."""

import json

import pytest

from lerobot_dp_plus.cli import host
from lerobot_dp_plus.policies import precision

FLOAT32 = "--policy.dtype=float32"


@pytest.fixture
def config(tmp_path, monkeypatch):
    def write(**policy):
        file = tmp_path / "train.json"
        file.write_text(json.dumps({"policy": {"type": "dp_plus_transformer", "device": "cpu"} | policy}))
        return f"--config_path={file}"

    seconds = {"float32": 1.0, "bfloat16": 60.0, "float16": 1.0}
    monkeypatch.setattr(precision, "product_seconds", lambda dtype, device: seconds[dtype])
    precision.emulated.cache_clear()
    yield write
    precision.emulated.cache_clear()


def test_a_config_files_imitated_format_becomes_float32(config):
    assert FLOAT32 in host.defaults("train", [config(dtype="bfloat16")])


@pytest.mark.parametrize("told", ["--policy.dtype=bfloat16", "--policy.use_amp=true"])
def test_the_command_lines_own_is_kept(config, told):
    assert FLOAT32 not in host.defaults("train", [config(dtype="bfloat16"), told])


@pytest.mark.parametrize(
    "policy", [{"dtype": "float16"}, {"dtype": "float32"}, {}, {"dtype": "bfloat16", "device": "cuda"}]
)
def test_what_is_not_imitated_is_left_alone(config, policy):
    assert FLOAT32 not in host.defaults("train", [config(**policy)])


def test_an_evaluation_is_not_told(config):
    assert FLOAT32 not in host.defaults("eval", [config(dtype="bfloat16")])


def test_what_is_not_there_at_all_counts_as_imitated(monkeypatch):
    def missing(dtype, device):
        raise RuntimeError("not implemented")

    monkeypatch.setattr(precision, "product_seconds", missing)
    precision.emulated.cache_clear()
    assert precision.emulated("bfloat16") and not precision.emulated("float32")
    precision.emulated.cache_clear()
