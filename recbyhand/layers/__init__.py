"""Layers: the pieces that models are made of."""

from recbyhand.layers.activations import ACTIVATIONS, Dice, get_activation
from recbyhand.layers.attention import (
    AdditiveAttention,
    Attention,
    BilinearAttention,
    DotAttention,
    ElementwiseAttention,
    LinearAttention,
    LocalActivationUnit,
    masked_softmax,
    weighted_sum,
)
from recbyhand.layers.convolution import Conv1d
from recbyhand.layers.crosses import CrossedWeights, feature_pairs
from recbyhand.layers.embedding import FeatureEmbedding, id_embedding
from recbyhand.layers.interactions import FMInteraction, PairwiseInteraction
from recbyhand.layers.mlp import MLP, Dropout, concat
from recbyhand.layers.normalisation import BatchNorm, LayerNorm
from recbyhand.layers.positions import PositionalEncoding
from recbyhand.layers.profiles import ItemVectors, UserVectors
from recbyhand.layers.reach import gradient_reach, state_gradient
from recbyhand.layers.recurrence import AUGRU, AUGRUCell, GRUCell, LSTMCell, RNNCell, events_first, last_state
from recbyhand.layers.softmax_loss import (
    full_softmax_loss,
    negative_sampling_loss,
    sample_negatives,
    sampled_softmax_loss,
)

__all__ = [
    "ACTIVATIONS",
    "AUGRU",
    "MLP",
    "AUGRUCell",
    "AdditiveAttention",
    "Attention",
    "BatchNorm",
    "BilinearAttention",
    "Conv1d",
    "CrossedWeights",
    "Dice",
    "DotAttention",
    "Dropout",
    "ElementwiseAttention",
    "FMInteraction",
    "FeatureEmbedding",
    "GRUCell",
    "ItemVectors",
    "LSTMCell",
    "LayerNorm",
    "LinearAttention",
    "LocalActivationUnit",
    "PairwiseInteraction",
    "PositionalEncoding",
    "RNNCell",
    "UserVectors",
    "concat",
    "events_first",
    "feature_pairs",
    "full_softmax_loss",
    "get_activation",
    "gradient_reach",
    "id_embedding",
    "last_state",
    "masked_softmax",
    "negative_sampling_loss",
    "sample_negatives",
    "sampled_softmax_loss",
    "state_gradient",
    "weighted_sum",
]
