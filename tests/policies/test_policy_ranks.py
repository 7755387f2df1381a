"""Two processes: noise of their own, weights in common."""

import socket
from multiprocessing import set_forkserver_preload
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch.nn.parallel import DistributedDataParallel


def train_one_step(rank: int, port: int, folder: Path) -> None:
    """What LeRobot does on each rank: the same seed, the same weights, a step of the optimizer."""
    from tiny import policy, training_batch

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.manual_seed(5)
    made = policy("dp_plus_flow")
    batch = training_batch(made.config)
    drawn = []
    made.model.network.register_forward_pre_hook(lambda module, args: drawn.append(args[:2]))
    parallel = DistributedDataParallel(made, find_unused_parameters=True)
    optimizer = torch.optim.Adam(made.get_optim_params(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        parallel(batch)[0].backward()
        optimizer.step()
        made.update()
    saved = {
        "noisy": [x_t for x_t, _ in drawn],
        "times": [time for _, time in drawn],
        "weights": made.state_dict(),
        "stream": torch.get_rng_state(),
    }
    torch.save(saved, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_ranks(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # One server imports what both need; spawned processes would import it twice.
    set_forkserver_preload(["lerobot_dp_plus.policies.modeling_dp_plus"])
    multiprocessing.start_processes(train_one_step, (port, tmp_path), nprocs=2, start_method="forkserver")
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name in ("noisy", "times"):
        for one, other in zip(first[name], second[name], strict=True):
            assert not torch.isclose(one, other).any(), f"{name} coincide although every rank should draw its own"
        assert not torch.allclose(first[name][0], first[name][1])
    assert all(torch.equal(value, second["weights"][key]) for key, value in first["weights"].items())
    assert torch.equal(first["stream"], second["stream"]), "resuming loads one stream into every rank"
