"""Every test of `loading` is offline and keeps its caches in a directory of its own."""

import logging

import pytest


@pytest.fixture(autouse=True, scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(home))
        patch.setenv("HF_LEROBOT_HOME", str(home / "lerobot"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", home / "datasets")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory):
    """Where the made-up datasets of this test run lie, one folder a kind of camera."""
    return tmp_path_factory.mktemp("made_up")


@pytest.fixture
def given(monkeypatch):
    """Let LeRobot's script make the datasets that a test names; returns the function so installed."""

    from lerobot.scripts import lerobot_train

    def install(train, held_out=None):
        def make_train_eval_datasets(cfg):
            return train, held_out

        monkeypatch.setattr(lerobot_train, "make_train_eval_datasets", make_train_eval_datasets)
        return make_train_eval_datasets

    return install


@pytest.fixture
def heard(caplog):
    """What the room has logged so far, as a function."""
    caplog.set_level(logging.INFO, logger="lerobot_dp_plus.loading")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name.startswith("lerobot_dp_plus.loading")
    ]
