# SPDX-License-Identifier: Apache-2.0
"""How a torch tensor lies in a stream: every torch dimension and every stream order is a list of named axes.

A stream holds tokens (rows) of channels (columns), both in row-major order of their axes. An image
[N, C, H, W] has the dimensions (), (c), (h), (w) over a stream with tokens (h, w) and channels (c).
A view, flatten, permute or squeeze only regroups or reorders dimensions; the stream stays as it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Ints

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]
"""A torch shape; None is the run-time length."""


class LayoutError(ValueError):
    """A rearrangement that a stream cannot follow; the text completes "cannot ..."."""


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis, compared by identity. `size` is None for the run-time length."""

    label: str
    size: int | None


Group = tuple[Axis, ...]


@dataclass(frozen=True)
class View:
    """A torch tensor over a stream.

    Attributes:
        dims: axes of each torch dimension, batch first; a dimension of size 1 has none.
        tokens, channels: axes of the stream, outermost first.
    """

    dims: tuple[Group, ...]
    tokens: Group
    channels: Group

    @property
    def shape(self) -> Shape:
        """Torch shape."""
        return tuple(size(d) for d in self.dims)

    @property
    def stream(self) -> Group:
        """Axes in stream order."""
        return self.tokens + self.channels


def size(group: Group) -> int | None:
    """Product of the sizes; None when one of them is the run-time length."""
    sizes = [a.size for a in group]
    return None if None in sizes else math.prod(s for s in sizes if s is not None)


def axes(*named: tuple[str, int | None]) -> Group:
    """Axes of size other than 1."""
    return tuple(Axis(label, n) for label, n in named if n != 1)


def vector(features: int) -> View:
    """[N, F]: one token."""
    f = axes(("c", features))
    return View(((), f), (), f)


def image(channels: int, height: int, width: int) -> View:
    """[N, C, H, W]: one token per pixel in raster order."""
    c, h, w = axes(("c", channels)), axes(("h", height)), axes(("w", width))
    return View(((), c, h, w), h + w, c)


def sequence(channels: int, length: int | None, channels_first: bool) -> View:
    """[N, C, L] or [N, L, C]: one token per step."""
    c, t = axes(("c", channels)), axes(("t", length))
    return View(((), c, t) if channels_first else ((), t, c), t, c)


def scalars(length: int | None) -> View:
    """[N, L]: one token of one channel per step."""
    t = axes(("t", length))
    return View(((), t), t, ())


def reshape(view: View, shape: Shape) -> View:
    """The view with its elements, in row-major order, regrouped to `shape`; axes are split as needed.

    Raises:
        LayoutError: a new dimension does not end where an axis, or a part of one, ends.
    """
    atoms = [a for d in view.dims for a in d]
    dims: list[Group] = []
    splits: dict[Axis, Group] = {}
    for want in shape:
        group: list[Axis] = []
        have: int | None = 1
        while have != want:
            if not atoms:
                raise LayoutError(f"regroup {view.shape} to {shape}")
            axis = atoms.pop(0)
            if axis.size is None or want is None:
                if group or axis.size is not want:
                    raise LayoutError("merge or split the run-time length")
                group, have = [axis], want
                continue
            assert have is not None
            missing, left = divmod(want, have)
            if left == 0 and axis.size > missing and axis.size % missing == 0:
                # The axis spans this dimension's end: keep its outer part here.
                outer, inner = Axis(axis.label, missing), Axis(axis.label, axis.size // missing)
                splits[axis] = (outer, inner)
                atoms.insert(0, inner)
                axis = outer
            group.append(axis)
            have *= axis.size or 1
            if have > want:
                raise LayoutError(f"regroup {view.shape} to {shape}")
        dims.append(tuple(group))
    if atoms:
        raise LayoutError(f"regroup {view.shape} to {shape}")
    return View(tuple(dims), _expand(view.tokens, splits), _expand(view.channels, splits))


def _expand(group: Group, splits: dict[Axis, Group]) -> Group:
    while any(a in splits for a in group):
        group = tuple(part for a in group for part in splits.get(a, (a,)))
    return group


def permute(view: View, order: Sequence[int]) -> View:
    """The view with its torch dimensions reordered."""
    return dataclasses.replace(view, dims=tuple(view.dims[i] for i in order))


def flatten(view: View) -> View:
    """All tokens become one: the channels of the new stream are (tokens, channels) in stream order."""
    if any(a.size is None for a in view.tokens):
        raise LayoutError("flatten the run-time length into one token")
    return View(view.dims, (), view.stream)


def order(dim: Group, channels: Group) -> Ints | None:
    """For each channel in stream order its index within torch dimension `dim`; None if others are in it."""
    if set(dim) != set(channels):
        return None
    sizes = [a.size for a in dim]
    index = np.arange(math.prod(s or 1 for s in sizes), dtype=np.int64).reshape([s or 1 for s in sizes])
    return index.transpose([dim.index(a) for a in channels]).reshape(-1)


def normal(view: View) -> tuple[Any, ...]:
    """Two views are laid out alike exactly when their normal forms are equal."""
    stream = list(view.stream)
    # Axes that follow each other in both orders act as one.
    joined: list[list[Axis]] = []
    flat = [(a, i) for i, d in enumerate(view.dims) for a in d]
    place = {a: k for k, (a, _) in enumerate(flat)}
    dim = dict(flat)
    for k, axis in enumerate(stream):
        last = joined[-1][-1] if joined else None
        if last is not None and k != len(view.tokens) and place[axis] == place[last] + 1 and dim[axis] == dim[last]:
            joined[-1].append(axis)
        else:
            joined.append([axis])
    number = {parts[0]: k for k, parts in enumerate(joined)}
    dims = tuple(tuple(number[a] for a in d if a in number) for d in view.dims)
    return dims, tuple(size(tuple(parts)) for parts in joined), size(view.tokens)


def to_stream(view: View, array: Array) -> Array:
    """[tokens, channels] of one torch item of shape `view.shape` (batch dimension included)."""
    flat = [a for d in view.dims for a in d]
    sizes = _actual(flat, array.size)
    moved = array.reshape(sizes).transpose([flat.index(a) for a in view.stream])
    return moved.reshape(-1, size(view.channels) or 1)


def from_stream(view: View, array: Array) -> Array:
    """Inverse of `to_stream`."""
    flat = [a for d in view.dims for a in d]
    sizes = _actual(view.stream, array.size)
    moved = array.reshape(sizes).transpose([view.stream.index(a) for a in flat])
    named = dict(zip(view.stream, sizes, strict=True))
    return moved.reshape([math.prod(named[a] for a in d) for d in view.dims])


def _actual(group: Sequence[Axis], elements: int) -> list[int]:
    known = math.prod(a.size for a in group if a.size is not None)
    return [elements // known if a.size is None else a.size for a in group]


def as_json(view: View) -> dict[str, Any]:
    """Plain dictionary, for files."""
    number = {a: k for k, a in enumerate(view.stream)}
    return {
        "axes": [[a.label, a.size] for a in view.stream],
        "tokens": len(view.tokens),
        "dims": [[number[a] for a in d] for d in view.dims],
    }


def from_json(data: dict[str, Any]) -> View:
    """Inverse of `as_json`."""
    stream = tuple(Axis(label, n) for label, n in data["axes"])
    dims = tuple(tuple(stream[k] for k in d) for d in data["dims"])
    return View(dims, stream[: data["tokens"]], stream[data["tokens"] :])
