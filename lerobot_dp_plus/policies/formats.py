"""What the fields mean that config files of older formats leave out.

Presets change when evidence does. A file keeps its meaning: a field that it leaves out has the default of the time when
the file was written. A checkpoint's config gives its format in `format_version`. A checkpoint without it is of format
1. Any other file with `format_version: 1` is of format 1, too. A training config without it is read as one of today.
The fields that it leaves out and whose default has changed are named.
"""

from collections.abc import Mapping
from typing import Any

from lerobot_dp_plus.policies import former_names

#: Written into every checkpoint. A checkpoint of a newer format than this is refused by name.
FORMAT_VERSION = 4
TYPE, VERSION = "type", "format_version"

#: Fields of every policy type whose default has changed since format 1, with what it was.
FIELDS_1: dict[str, Any] = {"horizon": 16, "n_action_steps": 8, "observation_stride": 1, "optimizer_lr": 3e-4}
#: The axes of a policy type whose default member has changed since format 1, with what it was.
AXES_1: dict[str, dict[str, dict[str, Any]]] = {
    "dp_plus_unet": {
        "objective": {TYPE: "diffusion"},
        "sampler": {TYPE: "ddim"},
        "network": {TYPE: "unet1d"},
    },
    "dp_plus_transformer": {"objective": {TYPE: "diffusion"}, "network": {TYPE: "transformer"}},
    "dp_plus_flow": {
        "objective": {TYPE: "flow_matching"},
        "sampler": {TYPE: "euler"},
        "network": {TYPE: "transformer"},
    },
    "dp_plus_dit": {
        "objective": {TYPE: "flow_matching"},
        "sampler": {TYPE: "heun", "num_steps": 5},
        "network": {TYPE: "dit"},
    },
}
#: Fields of a member whose default has changed since format 1: axis, member, field, with what it was.
MEMBERS_1: dict[str, dict[str, dict[str, Any]]] = {
    "objective": {"diffusion": {"prediction": "epsilon"}, "flow_matching": {"prediction": "v"}},
    "network": {"transformer": {"patch_size": 1}, "dit": {"patch_size": 1}},
}
#: Before format 4 pictures were encoded as they came. Every policy type had this image encoder, if a file names none.
ENCODER, USUAL_ENCODER, AS_THEY_COME = "image_encoder", "resnet18", {"resize": None}


def complete(policy_type: str, fields: Mapping[str, Any], unversioned: int = FORMAT_VERSION) -> dict[str, Any]:
    """`fields`, a policy's config as a file spells it, with what an older format meant by the fields it leaves out.

    The fields are under today's names. `unversioned` is the format of a file that states none.

    Raises:
        DecodingError: a field is given by its former name and by today's.
    """
    if policy_type not in AXES_1:
        return dict(fields)
    fields = former_names.in_fields(fields)
    version = fields.get(VERSION, unversioned)
    if not isinstance(version, int) or version >= 4:
        return fields
    encoder = fields.get(ENCODER, {TYPE: USUAL_ENCODER})
    if isinstance(encoder, Mapping):
        fields[ENCODER] = {TYPE: USUAL_ENCODER} | AS_THEY_COME | dict(encoder)
    if version >= 2:
        return fields
    full = FIELDS_1 | fields
    for axis, usual in AXES_1[policy_type].items():
        said = full.get(axis, usual)
        if isinstance(said, Mapping):  # else it is refused where it is read
            member = said.get(TYPE, usual[TYPE])
            full[axis] = {TYPE: member} | MEMBERS_1.get(axis, {}).get(member, {}) | dict(said)
    return full


def refuse_newer(version: int) -> None:
    """Raise a ValueError if a checkpoint is of a newer format than this version reads."""
    if version > FORMAT_VERSION:
        raise ValueError(
            f"format_version = {version}: this checkpoint was written by a newer lerobot_policy_dp_plus; the installed one reads "
            f"up to {FORMAT_VERSION}: upgrade it"
        )


def left_open(policy_type: str, fields: Mapping[str, Any]) -> list[str]:
    """Fields changed since format 1 that a file without a format leaves out, so that today's defaults hold."""
    if policy_type not in AXES_1 or VERSION in fields:
        return []
    fields = former_names.in_fields(fields)
    former, open_fields = complete(policy_type, fields, unversioned=1), []
    for name in sorted(former.keys() - {TYPE}):
        if name not in fields:
            open_fields.append(name)
        elif isinstance(fields[name], Mapping) and isinstance(former[name], Mapping):
            open_fields += [f"{name}.{key}" for key in former[name] if key not in fields[name]]
    return open_fields
