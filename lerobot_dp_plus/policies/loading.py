"""From a checkpoint's folder to its config.

A config that this version cannot read is refused with the version that wrote it, which is in the header of the weights.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import draccus
import httpx
from draccus.utils import DraccusException
from huggingface_hub import HfApi
from huggingface_hub.constants import CONFIG_NAME, SAFETENSORS_SINGLE_FILE
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, SafetensorsParsingError
from lerobot.configs import PreTrainedConfig
from torch import nn

import lerobot_dp_plus
from lerobot_dp_plus.encoders import AutomaticWords, NoWords, Words
from lerobot_dp_plus.policies import embodiments, formats
from lerobot_dp_plus.policies.fetching import Checkpoint, named
from lerobot_dp_plus.policies.loading_errors import CheckpointUnreadable
from lerobot_dp_plus.policies.parsing import check_spelling
from lerobot_dp_plus.policies.parsing_words import reasons, worded
from lerobot_dp_plus.policies.versions import DISTRIBUTION, upgrade_hint, written_by

OUR_TYPES = "dp_plus_"
#: Keywords of LeRobot's loaders that are about the Hub.
HUB_OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only", "resume_download", "proxies")


def load_pretrained[P: nn.Module](
    kind: type[P], name: str | Path, config: PreTrainedConfig | None, format_version: int, options: dict[str, Any]
) -> P:
    """A policy of class `kind` in evaluation mode, filled strictly from a folder or a Hub repository.

    `options` are those of LeRobot's `from_pretrained`; without a `config` the checkpoint's own is read.

    Raises:
        CheckpointUnavailable: a file cannot be had, for a reason it names.
        ValueError: a file cannot be used, naming field or weights, and the version that wrote it if that is newer.
    """
    checkpoint = Checkpoint(name, **{key: options.pop(key) for key in HUB_OPTIONS if key in options})
    # The config before the weights, which may be large and would be fetched in vain.
    if config is None:
        config = load_config(checkpoint, format_version, cli_overrides=options.get("cli_overrides", []))
    elif not checkpoint.is_local:
        checkpoint.fetch(CONFIG_NAME)
    if not config.type.startswith(OUR_TYPES):
        raise ValueError(f"{checkpoint.asked}: policy type {config.type!r}: legal here are the {OUR_TYPES}* types")
    weights = checkpoint.fetch(SAFETENSORS_SINGLE_FILE)
    settle_words(config, read_config(weights.parent))
    embodiments.settle(config, trained_on_several=bool(embodiments.parts_of(options.get("dataset_meta"))))
    with filled_from(config, weights.parent):
        policy = kind(config, **options)
    kind._load_as_safetensor(policy, str(weights), config.device, True)  # type: ignore[attr-defined]
    return policy.to(config.device).eval()


def settle_words(config: Any, saved: dict[str, Any]) -> None:
    """Settle words.type=automatic by the config of the checkpoint, as spelled, whose weights the policy gets."""
    if isinstance(config.words, AutomaticWords):
        config.words = draccus.decode(Words, saved["words"]) if "words" in saved else NoWords()


def load_config(
    checkpoint: Checkpoint, format_version: int, cls: type[PreTrainedConfig] = PreTrainedConfig, **options: Any
) -> PreTrainedConfig:
    """A checkpoint's config as LeRobot loads it, `options` going to its loader, or a ValueError that says why not.

    Only a file that is wrong by itself gets another message; a wrong override keeps its own.
    """
    folder, token = checkpoint.fetch(CONFIG_NAME).parent, checkpoint.asked.token
    saved = check_readable(folder, format_version, token)
    loader = PreTrainedConfig.from_pretrained.__func__  # type: ignore[attr-defined]
    try:
        return getattr(loader, "stock", loader)(cls, folder, **options)
    except Exception:
        check_fields(folder, saved, token)
        raise


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a checkpoint as it is spelled.

    Raises:
        CheckpointUnreadable: it is no JSON object with a `type`.
    """
    file = folder / CONFIG_NAME
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        size = file.stat().st_size
        raise CheckpointUnreadable(
            f"{CONFIG_NAME} of {named(folder)} is truncated or no JSON ({size} bytes): {error}"
        ) from error
    if not isinstance(saved, dict) or not isinstance(saved.get("type"), str):
        raise CheckpointUnreadable(f"{CONFIG_NAME} of {named(folder)} names no policy: a checkpoint's has a 'type'")
    return saved


def check_readable(folder: Path, format_version: int, token: str | bool | None = None) -> dict[str, Any]:
    """The config in `folder`, as spelled, if this version knows its type and its format.

    Raises:
        CheckpointUnreadable: it does not; naming the version that wrote it, if that is known.
    """
    saved = read_config(folder)
    types = PreTrainedConfig.get_known_choices()
    if saved["type"] not in types:
        ours = saved["type"].startswith(OUR_TYPES)
        legal = sorted(name for name in types if not ours or name.startswith(OUR_TYPES))
        hint = upgrade_hint(writer(folder, token)) if ours else ". If a plugin brings it, install that plugin"
        raise CheckpointUnreadable(
            f"policy type {saved['type']!r} of {named(folder)} is unknown; {'this package' if ours else 'LeRobot'} "
            f"knows {', '.join(legal)}{hint}"
        )
    version = saved.get("format_version")
    if saved["type"].startswith(OUR_TYPES) and isinstance(version, int) and version > format_version:
        raise CheckpointUnreadable(
            f"{named(folder)} has format_version = {version}; {DISTRIBUTION} {lerobot_dp_plus.__version__}, which is "
            f"installed, reads up to {format_version}"
            f"{upgrade_hint(writer(folder, token)) or '. A newer one wrote it: upgrade'}"
        )
    return saved


def check_fields(folder: Path, saved: dict[str, Any], token: str | bool | None = None) -> None:
    """Refuse a config whose fields, without any override, this version cannot make sense of; others' are not looked at.

    Raises:
        CheckpointUnreadable: naming the field, or what is wrong with its value.
    """
    if not saved["type"].startswith(OUR_TYPES):
        return
    try:
        fields = formats.complete(saved["type"], saved, unversioned=1)
        del fields["type"]
        kind = PreTrainedConfig.get_choice_class(saved["type"])
        check_spelling(kind, fields)
        draccus.decode(kind, fields)
    except (DraccusException, ValueError) as error:
        reason = worded([error, *reasons(error)][-1])
        hint = upgrade_hint(writer(folder, token))
        raise CheckpointUnreadable(f"{CONFIG_NAME} of {named(folder)}: {reason}{hint}") from error


def writer(folder: Path, token: str | bool | None) -> str | None:
    """Version in the header of the weights beside a config; on the Hub only the header is fetched."""
    weights = folder / SAFETENSORS_SINGLE_FILE
    store = folder.parent.parent
    if weights.is_file() or folder.parent.name != "snapshots":
        return written_by(weights)
    repo_id = store.name.removeprefix("models--").replace("--", "/")
    try:
        api = HfApi(token=token)
        header = api.parse_safetensors_file_metadata(repo_id, SAFETENSORS_SINGLE_FILE, revision=folder.name)
    except (HfHubHTTPError, httpx.HTTPError, OfflineModeIsEnabled, SafetensorsParsingError):
        return None  # it only completes a message
    return header.metadata.get(DISTRIBUTION)


@contextmanager
def filled_from(config: PreTrainedConfig, folder: Path) -> Iterator[None]:
    """While a policy is made whose weights `folder` will give: nothing is fetched to start from."""
    before = config.pretrained_path
    config.pretrained_path = folder
    try:
        yield
    finally:
        config.pretrained_path = before
