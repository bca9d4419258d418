"""A two-layer Llama that knows the demo playbook by heart: enough for a real vLLM.

Run in vLLM's own environment: `python tiny_model.py FOLDER PLAYBOOK`. Random weights would do for
streaming, but what they say never passes an output gate; half a minute of training gives nudges
that mostly do, and sometimes do not.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

VOCABULARY = 2000
STEPS = 300
BATCH = 8
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def main(folder: Path, playbook: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    entries = [json.loads(line) for line in playbook.read_text(encoding="utf-8").splitlines()]
    texts = [entry["body"] for entry in entries] + ['{"nudge": "", "cites": [1, 2]}']
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=4096,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    train(model, fast, [entry["body"] for entry in entries])
    model.save_pretrained(folder)


def train(model: Any, tokenizer: Any, bodies: list[str]) -> None:
    """Learn to answer any prompt with one of these bodies, as a draft in JSON."""
    import torch

    chance = random.Random(7)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    end = tokenizer.eos_token
    for step in range(STEPS):
        rows, targets = [], []
        for body in chance.sample(bodies, BATCH):
            prompt = " ".join(chance.sample(bodies, chance.randrange(1, 6)))
            draft = json.dumps({"nudge": body, "cites": [chance.randrange(1, 4)]})
            head = tokenizer(f"<|user|>{prompt}\n<|assistant|>")["input_ids"]
            tail = tokenizer(draft + end)["input_ids"]
            rows.append(head + tail)
            targets.append([-100] * len(head) + tail)
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        labels = torch.tensor([row + [-100] * (width - len(row)) for row in targets])
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0:
            print(f"step {step}/{STEPS}, loss {loss.item():.2f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
