"""The Gateless client: the generated operations, and a thin layer for calls, waits, streams and retries.

`gateless.generated` is made from openapi/openapi.json and never edited. Deliberately no method per operation here: pass
`Gateless(...).client` to the generated functions, which then raise `GatelessError` and retry as everything else does.
"""

from .calls import Call
from .client import Gateless
from .errors import GatelessError
from .retry import RetryPolicy
from .streams import Event

__all__ = ["Call", "Event", "Gateless", "GatelessError", "RetryPolicy"]
