# SPDX-License-Identifier: Apache-2.0
"""A stream as ONNX tensors: in which shapes it is there already, and how to get it in another.

| form | shape |
|---|---|
| TOKENS | [N, tokens, channels] |
| SEQUENCE | [N, channels, tokens] |
| (height, width) | [N, channels, height, width] |
| VECTOR | [N, channels], of one token |
"""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.qonnx.writer import Writer

Form = str | tuple[int, int]

TOKENS, SEQUENCE, VECTOR = "tokens", "sequence", "vector"


class Value:
    """One stream.

    Attributes:
        kind: its type.
        tokens: how many there are in this model.
        form: the shape in which it was made.
    """

    def __init__(self, writer: Writer, kind: TensorType, tokens: int, form: Form, name: str) -> None:
        self.kind, self.tokens, self.form = kind, tokens, form
        self._writer, self._forms = writer, {form: name}

    @property
    def made(self) -> str:
        """The tensor as it was made."""
        return self._forms[self.form]

    @property
    def axis(self) -> int:
        """The channel dimension of the tensor as it was made."""
        return 2 if self.form == TOKENS else 1

    def at(self, form: Form) -> str:
        """The tensor in a form."""
        if form not in self._forms:
            self._forms[form] = self._arranged(form)
        return self._forms[form]

    def _arranged(self, form: Form) -> str:
        w, channels = self._writer, self.kind.channels
        batch = w.shapes[self.made][0]
        if form == TOKENS:
            if VECTOR in self._forms:
                return w.reshape(self._forms[VECTOR], (batch, 1, channels))
            return w.transpose(self.at(SEQUENCE), (0, 2, 1))
        if form == VECTOR:
            return w.reshape(self.made, (batch, channels))
        if form == SEQUENCE:
            if TOKENS in self._forms:
                return w.transpose(self._forms[TOKENS], (0, 2, 1))
            return w.reshape(self.made, (batch, channels, self.tokens))
        assert isinstance(form, tuple)
        return w.reshape(self.at(SEQUENCE), (batch, channels, *form))
