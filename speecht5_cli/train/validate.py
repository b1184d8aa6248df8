"""Validation: the loss and statistics of the dev sets, and a few utterances really decoded."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.rows import Row, Rows
from speecht5_cli.plugins import Hypothesis, TaskPlugin
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.distributed import Ranks
from speecht5_cli.train.metrics import Averages, divided
from speecht5_cli.train.streams import set_batches


class Validation:
    """The dev sets of a run, measured again and again."""

    def __init__(
        self,
        plugin: TaskPlugin,
        cfg: RunConfig,
        assets: Assets,
        rows: list[Rows],
        *,
        ranks: Ranks,
        autocast: Callable[[], Any],
    ) -> None:
        self.plugin, self.cfg, self.assets, self.rows = plugin, cfg, assets, rows
        self.ranks, self.autocast = ranks, autocast

    def measure(self, model: nn.Module, step: int) -> dict[str, float]:
        """Means over the whole dev sets, the same on every process."""
        averages = Averages()
        kept = model.state_dict().keys()  # without the tables of positions, which grow with what a process has seen
        # The statistics of norms, of which each process has its own.
        self.ranks.from_main(buffer for name, buffer in model.named_buffers() if name in kept)
        torch.manual_seed(self.cfg.train.seed)  # what is random even here, such as codebook mixing, repeats
        model.eval()
        with torch.no_grad(), self.autocast():
            for batch in set_batches(self.plugin, self.cfg, self.assets, self.rows, ranks=self.ranks):
                averages.add_loss(self.plugin.loss(model, batch, self.cfg, step), batch)
        model.train()
        own = averages.sums()
        names = self.ranks.union(own)  # a process may have had no batch, or none of some stream
        flat = iter(self.ranks.summed([value for name in names for value in own.get(name, (0.0, 0.0))]))
        return divided({name: (next(flat), next(flat)) for name in names})

    def decode_some(self, model: nn.Module) -> list[tuple[Row, Hypothesis]]:
        """Some utterances of the dev set, and what the model says of them; the main process does it."""
        if self.plugin.output == "none" or not self.cfg.train.decode_dev or not self.ranks.is_main:
            return []
        rows = self.rows[0]
        some = np.linspace(0, len(rows) - 1, min(self.cfg.train.decode_dev, len(rows))).astype(int)
        alone = Ranks(0, 1, self.ranks.device)
        model.eval()
        hypotheses = []
        with torch.no_grad(), self.autocast():
            for batch in set_batches(self.plugin, self.cfg, self.assets, [rows], ranks=alone, chosen=[some]):
                hypotheses += self.plugin.predict(model, batch, self.cfg, self.assets)
        model.train()
        by_id = {rows.id(int(i)): rows.row(int(i)) for i in some}
        return [(by_id[said.id], said) for said in hypotheses]
