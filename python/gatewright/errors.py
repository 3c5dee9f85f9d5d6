# SPDX-License-Identifier: Apache-2.0
"""Typed errors. Each names the place, the problem, what is allowed and the next step."""


class GatewrightError(Exception):
    """Base of all errors that a user can cause.

    Args:
        place: module path, node, file or port where the problem lies.
        problem: what is wrong, with the offending attribute and value.
        allowed: what would be accepted.
        hint: the next step that a user can take.
    """

    def __init__(self, place: str, problem: str, allowed: str = "", hint: str = "") -> None:
        self.place, self.problem, self.allowed, self.hint = place, problem, allowed, hint
        text = f"{place}: {problem}"
        if allowed:
            text += f"\n  supported: {allowed}"
        if hint:
            text += f"\n  next step: {hint}"
        super().__init__(text)


class FormatError(GatewrightError):
    """A fixed-point format is impossible, or data do not lie in it."""


class GraphError(GatewrightError):
    """The graph breaks a rule of the legality table or an operator's type rule."""


class UnsupportedError(GatewrightError):
    """The front end met a layer, attribute or shape that has no exact lowering."""


class NotExpressibleError(GatewrightError):
    """An executor or a file format has no exact way to say an operator of a legal graph."""


class CalibrationError(GatewrightError):
    """The calibration data are empty, not finite or of the wrong shape."""


class FoldingError(GatewrightError):
    """A folding does not divide its operator, or does not fit the board."""


class BoardError(GatewrightError):
    """A board is unknown, or its description is incomplete or wrong."""


class BudgetError(GatewrightError):
    """The design needs more of a resource than the board has."""


class DataError(GatewrightError):
    """Input data at run time have the wrong shape, type, range or length."""


class ToolError(GatewrightError):
    """An external tool is missing, failed or ran out of time."""


class MissingExtraError(ToolError):
    """An optional dependency of the package is not installed."""


class DeviceError(GatewrightError):
    """A device does not answer, refuses a request, reports an error, or is not the one expected."""


class SimulationError(GatewrightError):
    """A simulation stalled, broke a protocol rule or differs from the golden integers."""


class LinkError(GatewrightError):
    """The other party is gone, late, not who it must be, or breaks the protocol."""


class ReuseError(GatewrightError):
    """Correlated randomness was asked for that may have been used before."""


class RingError(GatewrightError):
    """A network does not fit the words that two parties compute in, or has a step that they cannot compute."""
