"""The model folder of a HuBERT: for features, and to start a training from. It is for no task.

Its config.yaml says `kind: hubert` in place of a task's name; the `model:` block is that of the SpeechT5 that can start
from it.
"""

from pathlib import Path

from speecht5_cli.config import from_tree
from speecht5_cli.folders import CONFIG, MODEL, read_model_config
from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.hubert import Hubert
from speecht5_cli.models.initialise import without_memory
from speecht5_cli.tensors import read_tensors
from speecht5_cli.train.checkpoint import fill, own_memory

KIND = "hubert"  # of config.yaml, and Hugging Face's model_type


def load_hubert(folder: Path) -> Hubert:
    """The encoder of a model folder, in evaluation mode. Raises CheckpointError."""
    cfg = from_tree(ModelConfig, read_model_config(folder)["model"], f"{folder / CONFIG}: model")
    with without_memory():
        net = Hubert(cfg)
    fill(net, read_tensors(folder / MODEL), str(folder))
    own_memory(net)
    return net.eval()
