"""Models: one model, one file, which reads like its equation."""

from recbyhand.models.als import Factors, als
from recbyhand.models.base import Recommender
from recbyhand.models.concat_mlp import ConcatMLP
from recbyhand.models.dien import DIEN
from recbyhand.models.din import DIN
from recbyhand.models.feature_cnn import FeatureCNN
from recbyhand.models.feature_mlp import FeatureMLP
from recbyhand.models.joint_rnn import JointRNN
from recbyhand.models.matrix_factorization import MatrixFactorization
from recbyhand.models.pooled_sequence import PooledSequence
from recbyhand.models.rnn_factorization import RNNFactorization
from recbyhand.models.rnn_recommender import RNNRecommender
from recbyhand.models.two_tower_mlp import TwoTowerMLP

__all__ = [
    "DIEN",
    "DIN",
    "ConcatMLP",
    "Factors",
    "FeatureCNN",
    "FeatureMLP",
    "JointRNN",
    "MatrixFactorization",
    "PooledSequence",
    "RNNFactorization",
    "RNNRecommender",
    "Recommender",
    "TwoTowerMLP",
    "als",
]
