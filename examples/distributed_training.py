"""Data-parallel training of one network, with one GPU per process.

    torchrun --nproc-per-node 2 examples/distributed_training.py

PyTorch starts the processes. The script only chooses their communication (NCCL between GPUs, gloo
otherwise); the fit is the same as in a single process. Every process reads the same data and takes
its share of each batch. On several machines, run `torchrun --nnodes 4 --rdzv-endpoint host:port` on
each. With `--checkpoint`, a training that `torchrun` restarts resumes where it was interrupted.
"""

import argparse
import os
import sys

import torch
from torch import distributed

from skpr import ShiftFlipAugmenter, make_phase_retriever
from skpr.datasets import load_digit_objects
from skpr.metrics import relative_error

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--train", type=int, default=1400)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--checkpoint", default=None)
arguments = parser.parse_args()

if "WORLD_SIZE" in os.environ:  # set by torchrun; without it, this is an ordinary script
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))

objects = ShiftFlipAugmenter(frame_shape=24, random_state=0).fit_transform(
    load_digit_objects().data
)
model = make_phase_retriever(
    max_epochs=arguments.epochs, checkpoint=arguments.checkpoint, random_state=0
)
model.fit(objects[: arguments.train], objects[: arguments.train])

network = model[-1].regressor_
weights = (
    torch.cat([value.flatten() for value in network.module_.state_dict().values()]).double().sum()
)
error = relative_error(objects[-300:], model.predict(objects[-300:]))
rank = int(os.environ.get("RANK", 0))
# a single write, so that the lines of several processes do not mix
sys.stdout.write(f"process {rank}: relative error {error:.4f}, sum of weights {float(weights)!r}\n")
sys.stdout.flush()
if distributed.is_initialized():
    distributed.barrier()
    distributed.destroy_process_group()
