"""Weights in pieces are saved whole: real DTensors over gloo, one process and two."""

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from safetensors.torch import load_file
from tiny import frame, noise, trained, window
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from lerobot_dp_plus.policies.checkpoint import write_weights
from lerobot_dp_plus.policies.modeling_dp_plus import DpPlusPolicy
from lerobot_dp_plus.policies.sharding import whole_state

ODD = torch.arange(15.0).reshape(5, 3)


def begin(folder, rank: int, world: int):
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=world)
    return init_device_mesh("cpu", (world,))


def test_a_sharded_policy_saves_whole_weights(tmp_path):
    origin = trained("dp_plus_flow")
    expected = {key: value.clone() for key, value in origin.state_dict().items()}
    seen = window([frame(origin.config) for _ in range(2)])
    acted = origin.sample(seen, noise=noise(origin.config))
    mesh = begin(tmp_path, 0, 1)
    try:
        blocks = type(origin)._fsdp_wrap_modules
        for module in [each for each in origin.modules() if type(each).__name__ in blocks]:
            fully_shard(module, mesh=mesh)
        fully_shard(origin, mesh=mesh)
        assert any(isinstance(value, DTensor) for value in origin.state_dict().values())
        origin.save_pretrained(tmp_path / "saved")
    finally:
        dist.destroy_process_group()
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in saved.items())
    assert torch.equal(DpPlusPolicy.from_pretrained(tmp_path / "saved").sample(seen, noise=noise(origin.config)), acted)


def gather(rank: int, folder) -> None:
    torch.set_num_threads(1)
    mesh = begin(folder, rank, 2)
    state = {
        "cut in rows": distribute_tensor(ODD, mesh, [Shard(0)]),
        "cut in columns": distribute_tensor(ODD, mesh, [Shard(1)]),
        "the same in both": distribute_tensor(ODD, mesh, [Replicate()]),
        "plain": ODD + rank,
    }
    assert state["cut in rows"].to_local().shape == ((3, 3), (2, 3))[rank]
    whole = whole_state(state)
    assert (whole is None) == (rank == 1)
    if whole is not None:
        write_weights(whole, folder / "model.safetensors")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_put_their_pieces_together_and_one_writes(tmp_path):
    # A fork: what is imported here need not be imported again.
    multiprocessing.start_processes(gather, (tmp_path,), nprocs=2, start_method="fork")
    saved = load_file(tmp_path / "model.safetensors")
    assert len(saved) == 4
    assert all(torch.equal(value, ODD) for value in saved.values())


def test_a_state_dict_gathered_by_the_host_is_written_as_it_is(tmp_path):
    origin = trained("dp_plus_flow")
    state = {key: value + 1 if value.is_floating_point() else value for key, value in origin.state_dict().items()}
    origin.save_pretrained(tmp_path, state_dict=state)
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, state[key]) for key, value in saved.items())
