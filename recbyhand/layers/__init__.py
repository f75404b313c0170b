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
from recbyhand.layers.mlp import MLP, Dropout
from recbyhand.layers.multi_head import MultiHeadAttention, causal_mask, scaled_dot_product_attention
from recbyhand.layers.normalisation import BatchNorm, LayerNorm
from recbyhand.layers.positions import LearnedPositions, PositionalEncoding, TimeGapPositions, age, rotate
from recbyhand.layers.profiles import ItemVectors, UserVectors
from recbyhand.layers.reach import gradient_reach, state_gradient
from recbyhand.layers.recurrence import AUGRU, AUGRUCell, GRUCell, LSTMCell, RNNCell, events_first, last_state
from recbyhand.layers.softmax_loss import (
    full_softmax_loss,
    gbce_loss,
    negative_sampling_loss,
    sample_negatives,
    sampled_softmax_loss,
)
from recbyhand.layers.transformer import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    TransformerDecoder,
    TransformerEncoder,
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
    "DecoderLayer",
    "Dice",
    "DotAttention",
    "Dropout",
    "ElementwiseAttention",
    "EncoderLayer",
    "FMInteraction",
    "FeatureEmbedding",
    "FeedForward",
    "GRUCell",
    "ItemVectors",
    "LSTMCell",
    "LayerNorm",
    "LearnedPositions",
    "LinearAttention",
    "LocalActivationUnit",
    "MultiHeadAttention",
    "PairwiseInteraction",
    "PositionalEncoding",
    "RNNCell",
    "TimeGapPositions",
    "TransformerDecoder",
    "TransformerEncoder",
    "UserVectors",
    "age",
    "causal_mask",
    "events_first",
    "feature_pairs",
    "full_softmax_loss",
    "gbce_loss",
    "get_activation",
    "gradient_reach",
    "id_embedding",
    "last_state",
    "masked_softmax",
    "negative_sampling_loss",
    "rotate",
    "sample_negatives",
    "sampled_softmax_loss",
    "scaled_dot_product_attention",
    "state_gradient",
    "weighted_sum",
]
