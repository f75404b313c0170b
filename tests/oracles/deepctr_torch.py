"""Record what deepctr-torch's layers give: `python tests/oracles/deepctr_torch.py FOLDER` writes deepctr_torch.json.

FOLDER holds the unpacked wheel of deepctr-torch. It is not installed for the tests: it brings TensorBoard's companions,
and a package named `tests` of its own. Recorded are those of its layers that agree with their papers; its Dice and the
forms that its issue tracker names as wrong are not among them.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import types
from pathlib import Path

import torch


def listed(value):
    return value.detach().double().tolist() if isinstance(value, torch.Tensor) else value


def main(folder: Path) -> None:
    package = types.ModuleType(
        "deepctr_torch"
    )  # without its __init__, which asks the network for newer versions
    package.__path__ = [str(folder / "deepctr_torch")]
    sys.modules["deepctr_torch"] = package
    from deepctr_torch.layers.interaction import FM, AFMLayer, BiInteractionPooling
    from deepctr_torch.layers.sequence import AUGRUCell, SequencePoolingLayer

    torch.manual_seed(0)
    v = torch.randn(4, 5, 3)  # (B, F, d)
    afm = AFMLayer(3, attention_factor=4)
    torch.nn.init.normal_(afm.attention_b)
    found = {
        "v": v,
        "fm": FM()(v)[:, 0],
        "bi_interaction": BiInteractionPooling()(v)[:, 0],
        "afm": {
            "W": afm.attention_W.T,
            "b": afm.attention_b,
            "h": afm.projection_h[:, 0],
            "p": afm.projection_p[:, 0],
            "logit": afm(v.split(1, dim=1))[:, 0],
            "weights": afm.normalized_att_score[..., 0],
        },
    }
    mask = torch.arange(5) < torch.tensor([[5], [3], [1], [2]])  # (B, L)
    found["mask"] = mask.int()
    for mode in ("sum", "mean"):
        pool = SequencePoolingLayer(mode=mode, supports_masking=True)
        found[f"pooled_{mode}"] = pool([v, mask])[:, 0]
    cell = AUGRUCell(3, 6)
    for parameter in cell.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, h, a = torch.randn(4, 3), torch.randn(4, 6), torch.rand(4)
    found["augru"] = {"x": x, "h": h, "a": a, "out": cell(x, h, a)} | {
        name: getattr(cell, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }  # its two biases are one parameter
    text = json.dumps(found, default=listed)
    version = importlib.metadata.PathDistribution(next(folder.glob("deepctr_torch-*.dist-info"))).version
    out = Path(__file__).with_suffix(".json")
    out.write_text(json.dumps({"deepctr-torch": version} | json.loads(text)) + "\n", encoding="utf-8")
    print(f"{out} from deepctr-torch {version}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
