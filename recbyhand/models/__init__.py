"""Models: one model, one file, which reads like its equation."""

from recbyhand.models.afm import AFM
from recbyhand.models.als import Factors, als, implicit_als
from recbyhand.models.base import Recommender
from recbyhand.models.baselines import ItemNeighbours, Popularity, UserItemMean
from recbyhand.models.bst import BST
from recbyhand.models.concat_mlp import ConcatMLP
from recbyhand.models.deepfm import DeepFM
from recbyhand.models.dien import DIEN
from recbyhand.models.din import DIN
from recbyhand.models.feature_cnn import FeatureCNN
from recbyhand.models.feature_mlp import FeatureMLP
from recbyhand.models.fm import FM
from recbyhand.models.fnn import FNN
from recbyhand.models.graph_attention import GraphAttentionRecommender
from recbyhand.models.joint_rnn import JointRNN
from recbyhand.models.lightgcn import LightGCN
from recbyhand.models.matrix_factorization import MatrixFactorization
from recbyhand.models.nfm import NFM
from recbyhand.models.poly2 import Poly2
from recbyhand.models.pooled_sequence import PooledSequence
from recbyhand.models.rnn_factorization import RNNFactorization
from recbyhand.models.rnn_recommender import RNNRecommender
from recbyhand.models.sasrec import SASRec
from recbyhand.models.transformer4rec import Transformer4Rec
from recbyhand.models.two_tower import TwoTower
from recbyhand.models.two_tower_mlp import TwoTowerMLP
from recbyhand.models.wide_deep import WideDeep

__all__ = [
    "AFM",
    "BST",
    "DIEN",
    "DIN",
    "FM",
    "FNN",
    "NFM",
    "ConcatMLP",
    "DeepFM",
    "Factors",
    "FeatureCNN",
    "FeatureMLP",
    "GraphAttentionRecommender",
    "ItemNeighbours",
    "JointRNN",
    "LightGCN",
    "MatrixFactorization",
    "Poly2",
    "PooledSequence",
    "Popularity",
    "RNNFactorization",
    "RNNRecommender",
    "Recommender",
    "SASRec",
    "Transformer4Rec",
    "TwoTower",
    "TwoTowerMLP",
    "UserItemMean",
    "WideDeep",
    "als",
    "implicit_als",
]
