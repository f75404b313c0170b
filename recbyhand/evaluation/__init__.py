"""How good is a model, and how sure are we?

`predict` asks a model for logits, `scale` whether they are logits, `metrics` judges arrays of them, `ranking` judges
lists of the whole catalogue, `differences` says how sure a difference is (over users, over seeds), `compare` sets
models side by side and `table` shows them so, `recommend` makes the list that one user would see.
"""

from recbyhand.evaluation.compare import Comparison, compare, evaluate
from recbyhand.evaluation.predict import check_logits, check_model, check_schema, device_of, predict
from recbyhand.evaluation.ranking import evaluate_ranking, retrieved, score_catalogue
from recbyhand.evaluation.recommend import recommend

__all__ = [
    "Comparison",
    "check_logits",
    "check_model",
    "check_schema",
    "compare",
    "device_of",
    "evaluate",
    "evaluate_ranking",
    "predict",
    "recommend",
    "retrieved",
    "score_catalogue",
]
