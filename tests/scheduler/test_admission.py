# SPDX-License-Identifier: Apache-2.0
"""One rule of admission: the model's waiting times, the hardware's counters, and the generated parameters."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed
from gatewright.frontend.roll import Ring as Layers
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.rtl import lower
from gatewright.lower.timing import looped
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.scheduler.admission import Admission, Credit


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(9, 30), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_credit_opens_when_the_counters_do(lengths: list[int], slots: int, sequences: int, seed: int) -> None:
    """The hardware subtracts and compares (`rtl/ring/ring.sv`); the model asks which departure it must wait for."""
    rule = Admission(slots, sequences, 9)
    credit, rng, now = Credit(rule), np.random.default_rng(seed), 0
    inside: list[list[int]] = []  # times at which the tokens of admitted sequences leave
    for tokens in lengths:
        # Sequences leave one after another, in the order of their admission.
        while (due := credit.when(tokens)) is None:
            gone = [now := now + int(rng.integers(1, 4)) for _ in inside[len(credit.sequences_out.times)]]
            inside[len(credit.sequences_out.times)] = gone
            credit.leave(gone)

        def open_at(time: int, tokens: int = tokens) -> bool:
            left = sum(t <= time for t in credit.tokens_out.times)
            ended = sum(t <= time for t in credit.sequences_out.times)
            free = slots - (credit.tokens_in - left)
            return tokens <= free and credit.sequences_in - ended != sequences

        assert open_at(due) and (due == 0 or not open_at(due - 1))
        credit.admit(tokens)
        inside.append([0] * tokens)


def layer(rng: np.random.Generator, x: TensorType) -> Graph:
    op = Linear(rng.integers(-8, 8, (4, 4)), np.zeros(4, np.int64), np.full(4, 4), 4, x.fixed)
    return Graph({"x": x}, (Node("y", op, ("x",)),), ("y",))


def ringed(slots: int, sequences: int, most: int = 12) -> Graph:
    rng, x = np.random.default_rng(1), TensorType(Length("n", most), 4, Fixed(8, 4))
    loop = Loop((layer(rng, x), layer(rng, x)), slots, sequences)
    return Graph({"i": x}, (Node("loop", loop, ("i",)),), ("loop",), "ringed")


FOLDINGS = {"loop": Folding(), "loop.y": Folding(1, 4, 4, banks=2)}


@pytest.mark.parametrize(("slots", "sequences"), [(12, 1), (31, 5)])
def test_generated_parameters_are_the_rule(slots: int, sequences: int) -> None:
    graph = ringed(slots, sequences)
    rule = looped(graph, FOLDINGS, design := lower(graph, FOLDINGS), [(12,)]).ring.admission
    for name, value in rule.parameters().items():
        assert re.search(rf"\.{name}\s*\({value}\)", design.text), name
    assert rule == Admission(slots, sequences, 12)
    # The queue of bank numbers holds every pass that can be under way.
    queue = re.search(r"stream_fifo #\((?:(?!;).)*?\.Depth\s*\((\d+)\)(?:(?!;).)*?0b_y", design.text, re.S)
    assert f"At most {rule.passes} passes" in design.text and queue and int(queue[1]) == rule.passes


def test_another_rule_is_another_design(monkeypatch: pytest.MonkeyPatch) -> None:
    before = lower(ringed(24, 3), FOLDINGS).text
    monkeypatch.setattr(Admission, "passes", property(lambda rule: rule.sequences + 7))
    monkeypatch.setattr(Admission, "parameters", lambda rule: {"Slots": 99, "MaxTokens": rule.longest, "Sequences": 3})
    after = lower(ringed(24, 3), FOLDINGS).text
    assert re.search(r"\.Slots\s*\(99\)", after) and "At most 10 passes" in after and before != after


def test_rings_that_never_admit_are_refused() -> None:
    assert Admission.usual_slots(12) == 24 and Layers("layer").slots is None
    with pytest.raises(GraphError, match=r"loop.slots: 11 for a sequence of 12"):
        ringed(11, 2)
    with pytest.raises(GraphError, match=r"loop.sequences: 0"):
        ringed(12, 0)
    assert Admission(12, 0, 12).problem and Admission(12, 1, 12).problem is None
    with pytest.raises(DataError, match="ring.slots"):
        graph = ringed(12, 2)
        looped(graph, FOLDINGS, lower(graph, FOLDINGS), [(13,)])
