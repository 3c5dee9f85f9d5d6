# SPDX-License-Identifier: Apache-2.0
"""Programs: rings, what is refused, and the text that both parties agree on."""

import json

import numpy as np
import pytest

from gatewright.errors import RingError
from gatewright.fixed import Fixed
from gatewright.graph import Graph, Length, Node, TensorType
from gatewright.ops.layer_norm import LayerNorm
from gatewright.ops.linear import Linear
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.quadratic import Quadratic
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.secure.headroom import needed_margin
from gatewright.secure.program import Program, compile_program

FORM, UNSIGNED = Fixed(8, 4), Fixed(8, 4, False)


def linear(inputs, outputs, output, shift=8):
    weight = np.random.default_rng(inputs).integers(-100, 100, (outputs, inputs))
    return Linear(weight, np.zeros(outputs, np.int64), np.full(outputs, shift), 8, output)


def quadratic(channels, shift=6, output=FORM):
    one = np.ones(channels, np.int64)
    return Quadratic(3 * one, 5 * one, one, shift, output)


def chain(*ops, tokens=1, channels=16, fixed=FORM):
    """Operators in a row."""
    names = ["x", *(f"n{k}" for k in range(len(ops)))]
    nodes = tuple(Node(names[k + 1], op, (names[k],)) for k, op in enumerate(ops))
    return Graph({"x": TensorType(tokens, channels, fixed)}, nodes, (names[-1],))


def rings(graph, **options):
    """(step, ring bits) of a program."""
    return [(type(s).__name__, s.bits) for s in compile_program(graph, **options)[0].steps]


def test_rings_start_anew_at_every_activation():
    graph = chain(linear(16, 8, FORM), quadratic(8), linear(8, 4, FORM))
    # 8 bits and a margin are 9, one more for the activation: 10, and 8 that truncation drops; the result takes 9.
    assert rings(graph) == [
        ("Input", 18), ("Product", 18), ("Truncate", 10), ("X2act", 23), ("Truncate", 17), ("Product", 17),
        ("Truncate", 9), ("Reveal", 9),
    ]  # fmt: skip
    assert rings(graph, margin=3)[2] == ("Truncate", 12)


def test_a_ring_is_widened_where_a_word_is_too_small():
    graph = chain(quadratic(16, shift=18), linear(16, 8, FORM, shift=9))
    # 32 - 18 bits are left of the word; the product wants 9 + 9; widening takes 9 + 1.
    assert rings(graph, word=32)[2:5] == [("Truncate", 10), ("Extend", 18), ("Product", 18)]
    assert "Extend" not in dict(rings(graph, word=64))
    plain = [name for name, _ in rings(graph, ride_along=False)]
    assert plain[1:3] == ["Extend", "X2actPlain"]


def test_values_that_do_not_fit_a_word_are_refused():
    with pytest.raises(RingError, match=r"n0.*\n.*32 bits\n.*compile for 64-bit words"):
        compile_program(chain(quadratic(16, shift=26), linear(16, 8, FORM)), word=32)
    with pytest.raises(RingError, match="narrower formats"):
        compile_program(chain(linear(16, 8, Fixed(40, 4), 8), linear(8, 8, Fixed(60, 4), 1)), margin=4)
    with pytest.raises(RingError, match="32 or 64"):
        compile_program(chain(quadratic(16)), word=48)


def test_an_unsigned_format_is_a_relu_but_of_a_quadratic():
    assert "Relu" in dict(rings(chain(linear(16, 8, UNSIGNED))))
    assert "Relu" in dict(rings(chain(Requantize(0, UNSIGNED))))
    assert "Relu" not in dict(rings(chain(Requantize(0, UNSIGNED), fixed=UNSIGNED)))
    assert "Relu" not in dict(rings(chain(quadratic(16, output=UNSIGNED))))
    assert [n for n, _ in rings(chain(linear(16, 8, UNSIGNED), Relu()))].count("Relu") == 1


def test_relu_waits_for_max_pooling():
    pool = MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 4, 4)
    graph = chain(linear(16, 8, UNSIGNED), pool, tokens=16)
    steps = compile_program(graph)[0].steps
    assert [type(s).__name__ for s in steps[-3:]] == ["MaxPool", "Relu", "Reveal"]
    assert steps[-2].count == 4 * 8 and sum(type(s).__name__ == "Relu" for s in steps) == 1


def test_secrets_are_the_servers():
    graph = chain(linear(16, 8, FORM), quadratic(8))
    program, secrets = compile_program(graph)
    held = {k: sorted(s) for k, s in enumerate(secrets.steps) if s}
    assert held == {1: ["bias", "weight"], 3: ["constant"]}
    text = program.to_json()
    # Other weights, biases, constants and shifts of channels: the same program.
    nodes = list(graph.nodes)
    shifts = np.full(8, 8) - np.arange(8) % 2
    nodes[0] = Node("n0", Linear(-nodes[0].op.weight, np.arange(8), shifts, 8, FORM), ("x",))
    other, _ = compile_program(Graph(graph.inputs, tuple(nodes), graph.outputs))
    assert other.to_json() == text and other.fingerprint() == program.fingerprint()
    assert compile_program(graph, margin=2)[0].fingerprint() != program.fingerprint()


def test_text_and_back():
    pool = MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 4, 4)
    program, _ = compile_program(chain(linear(16, 8, UNSIGNED), pool, quadratic(8), tokens=16))
    again = Program.from_json(program.to_json())
    assert again == program and again.fingerprint() == program.fingerprint()


def broken(**changes):
    """Text of a small program with a step's fields replaced, all of them named by their step's index."""
    program, _ = compile_program(chain(linear(16, 8, FORM), quadratic(8)))
    data = json.loads(program.to_json())
    for name, value in changes.items():
        step, field = name[1:].split("_", 1)
        data["steps"][int(step)][field] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "3", "null", '{"version": 1}', '{"version": 1, "is": "Fixed"}', '{"version": 1, "is": "os"}',
        broken(s1_is="Nothing"), broken(s1_bits="18"), broken(s1_bits=1e9), broken(s1_bits=65), broken(s1_bits=0),
        broken(s1_tokens=-1), broken(s1_tokens=2**40), broken(s1_channels=9), broken(s1_inputs=[5]),
        broken(s1_geometry=3), broken(s2_shift=True), broken(s2_shift=200), broken(s3_square=[1, 2]),
        broken(s3_source=1), broken(s2_tokens=2), broken(s1_word=32), broken(s1_extra=1),
    ],
)  # fmt: skip
def test_hostile_text_ends_in_an_error(text):
    with pytest.raises(RingError, match="program"):
        Program.from_json(text)


def test_the_text_is_taken_as_it_was_before_it_is_broken():
    assert Program.from_json(broken()).rounds == 3


def test_what_has_no_protocol_is_named():
    one = np.ones(16, np.int64)
    with pytest.raises(RingError, match="node n0.*layer_norm.*\n.*supported: add"):
        compile_program(chain(LayerNorm.sample(np.random.default_rng(0), TensorType(1, 16, FORM))))
    graph = Graph({"x": TensorType(Length("n", 9), 16, FORM)}, (Node("y", quadratic(16), ("x",)),), ("y",))
    with pytest.raises(RingError, match="run time"):
        compile_program(graph)
    two = (Node("y", quadratic(16), ("x",)), Node("z", quadratic(16), ("x",)))
    with pytest.raises(RingError, match="2 outputs"):
        compile_program(Graph({"x": TensorType(1, 16, FORM)}, two, ("y", "z")))
    assert one.any()


def test_needed_margin_counts_what_saturation_cuts_off():
    graph = chain(linear(16, 8, Fixed(4, 0), 0))
    x = np.full((1, 16), 7)
    top = int(np.abs(graph.nodes[0].op.weight.sum(axis=1) * 7).max())
    (margin,) = needed_margin(graph, [x]).values()
    assert 7 << (margin - 1) < top <= 8 << margin
    assert needed_margin(graph, [0 * x]) == {"n0": 0}
