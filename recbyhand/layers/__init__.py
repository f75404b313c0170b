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
from recbyhand.layers.embedding import FeatureEmbedding, batch_aware_penalty, id_embedding
from recbyhand.layers.graph import (
    DotGraphAttention,
    EdgeAttention,
    GATLayer,
    GATv2Layer,
    degrees,
    gcn_neighbours,
    mean_neighbours,
    sample_neighbours,
    scatter_softmax,
    scatter_sum,
    sum_neighbours,
    sum_weighted_neighbours,
    with_self_loops,
)
from recbyhand.layers.interactions import FMInteraction, PairwiseInteraction
from recbyhand.layers.mlp import MLP, Dropout, concat
from recbyhand.layers.multi_head import MultiHeadAttention, causal_mask, scaled_dot_product_attention
from recbyhand.layers.normalisation import BatchNorm, LayerNorm
from recbyhand.layers.positions import LearnedPositions, PositionalEncoding, TimeGapPositions, age, rotate
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
from recbyhand.layers.vectors import ItemVectors, UserVectors

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
    "DotGraphAttention",
    "Dropout",
    "EdgeAttention",
    "ElementwiseAttention",
    "EncoderLayer",
    "FMInteraction",
    "FeatureEmbedding",
    "FeedForward",
    "GATLayer",
    "GATv2Layer",
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
    "batch_aware_penalty",
    "causal_mask",
    "concat",
    "degrees",
    "events_first",
    "feature_pairs",
    "full_softmax_loss",
    "gbce_loss",
    "gcn_neighbours",
    "get_activation",
    "id_embedding",
    "last_state",
    "masked_softmax",
    "mean_neighbours",
    "negative_sampling_loss",
    "rotate",
    "sample_negatives",
    "sample_neighbours",
    "sampled_softmax_loss",
    "scaled_dot_product_attention",
    "scatter_softmax",
    "scatter_sum",
    "sum_neighbours",
    "sum_weighted_neighbours",
    "weighted_sum",
    "with_self_loops",
]
