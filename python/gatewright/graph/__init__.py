# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: token streams between operators with one exact integer meaning.

A tensor is a sequence of *tokens*; a token is a vector of channels. One sequence is an int64 array
[tokens, channels]. An image is a sequence of its pixels in raster order.
"""

from gatewright.graph.legality import LEGALITY as LEGALITY
from gatewright.graph.legality import Rule as Rule
from gatewright.graph.legality import check as check
from gatewright.graph.network import Graph as Graph
from gatewright.graph.network import Node as Node
from gatewright.graph.operator import Cost as Cost
from gatewright.graph.operator import Folding as Folding
from gatewright.graph.operator import Instance as Instance
from gatewright.graph.operator import Op as Op
from gatewright.graph.operator import Stage as Stage
from gatewright.graph.passes import Pass as Pass
from gatewright.graph.passes import apply as apply
from gatewright.graph.passes import bypass as bypass
from gatewright.graph.reference import ROUNDINGS as ROUNDINGS
from gatewright.graph.reference import Reference as Reference
from gatewright.graph.saved import from_dict as from_dict
from gatewright.graph.saved import to_dict as to_dict
from gatewright.graph.tensor import Length as Length
from gatewright.graph.tensor import TensorType as TensorType
from gatewright.graph.tensor import Tokens as Tokens
from gatewright.graph.tensor import checked_sequence as checked_sequence
from gatewright.graph.tensor import least_tokens as least_tokens
from gatewright.graph.tensor import most_tokens as most_tokens
