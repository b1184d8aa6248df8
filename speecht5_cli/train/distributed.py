"""One contract for many processes: the `env://` variables that torchrun (or srun, mpirun) sets."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist

from speecht5_cli.errors import UsageError


@dataclass(frozen=True)
class Ranks:
    """This process among its peers."""

    rank: int
    world: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def summed(self, values: list[float]) -> list[float]:
        """Each value summed over all processes."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=_reduction_device(self.device))
        dist.all_reduce(tensor)
        return tensor.tolist()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return self.summed([float(flag)])[0] > 0

    def union(self, names: Iterable[str]) -> list[str]:
        """The names that any process has, sorted: what all of them can then sum in one order."""
        everyone: list[list[str]] = [sorted(set(names))] * self.world
        if self.world > 1:
            dist.all_gather_object(everyone, everyone[0])
        return sorted(set().union(*everyone))

    def from_main(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give every process the main one's values, in place."""
        for tensor in tensors if self.world > 1 else ():
            dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


def _reduction_device(device: torch.device) -> torch.device:
    """gloo reduces on the CPU, NCCL on the GPU."""
    return device if dist.get_backend() == "nccl" else torch.device("cpu")


def join() -> Ranks:
    """Read the environment, pick a device, and connect the processes if there are several.

    NCCL where every process has a GPU of its own, gloo otherwise (on a CPU, or several processes on one GPU).
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local, n_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    device = torch.device("cuda", local % n_gpus) if n_gpus else torch.device("cpu")
    if n_gpus:
        torch.cuda.set_device(device)
    if world > 1 and not dist.is_initialized():
        own_gpus = n_gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        dist.init_process_group("nccl" if own_gpus and n_gpus else "gloo", rank=rank, world_size=world)
    return Ranks(rank, world, device)


def leave() -> None:
    """Part from the other processes, if there are any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def sum_gradients(parameters: list[torch.nn.Parameter], ranks: Ranks) -> None:
    """Add up the gradients of all processes, in one message; a parameter that none has used keeps none."""
    used = [p for p in parameters if p.requires_grad]
    if ranks.world == 1 or not used:
        return
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in used])
    touched = torch.tensor([p.grad is not None for p in used], dtype=flat.dtype, device=flat.device)
    message = torch.cat([flat, touched])
    dist.all_reduce(message)
    flat, touched = message[: len(flat)], message[len(flat) :]
    for p, part, hit in zip(used, flat.split([p.numel() for p in used]), touched.tolist()):
        p.grad = part.view_as(p) if hit else None


def relaunch(n: int) -> None:
    """Start this very command `n` times through torchrun and end with its exit code (for --ngpu N)."""
    if n <= 1 or "RANK" in os.environ:
        return
    if torch.cuda.is_available() and n > torch.cuda.device_count():
        raise UsageError(f"--ngpu {n}: this machine has {torch.cuda.device_count()} GPUs")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    os.execv(sys.executable, [*launcher, "-m", "speecht5_cli", *sys.argv[1:]])
