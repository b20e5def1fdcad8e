"""Types that parameters of several flows have, with their bounds and descriptions."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_type_hints

from pydantic import ConfigDict, Field

from sorobanflow.ledgers import LAST_LEDGER
from sorobanflow.sources.filters import EventFilter

#: Of the classes of parameters: a field is described by the text below it.
CONFIG = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True)
class BlockName:
    """Marks a parameter that names a saved block of this type."""

    slug: str


Ledger = Annotated[int, Field(ge=1, le=LAST_LEDGER)]
Workers = Annotated[int, Field(ge=1, le=100)]
#: Without progress, whatever a run waits for.
StallSeconds = Annotated[float, Field(ge=5, le=86_400)]
STALL_S = 300

ContractIds = Annotated[
    list[str] | None,
    Field(
        description="Only events of these contracts (C…, at most 5), and their transactions. "
        "Empty: everything."
    ),
]
Topics = Annotated[
    list[list[str]] | None,
    Field(
        description="Only events with these topics: up to 5 alternatives, each a list of symbols "
        "and addresses as you read them, such as transfer or G…, of base64 XDR of an ScVal (for "
        'any other type), of "*" for any one topic, or of a last "**" for any others. Empty: any.'
    ),
]
Events = Annotated[
    list[str] | None,
    Field(
        description="Only events with these names: a name is the symbol that an event's topics "
        'begin with, and transfer means the topics ["transfer", "**"]. With topics, at most 5 of '
        "both. Empty: any."
    ),
]
AnchorText = Annotated[
    str | None,
    Field(
        description="A ledger of the range and the hash of its header, `ledger:hash`, known from "
        "somewhere that you trust: the run fails if the source gives that ledger another hash. "
        "For whole ledgers without a filter only."
    ),
]
AnySource = Annotated[
    Literal["rpc", "ledgers"] | str,
    BlockName("data-lake"),
    Field(
        description='Where ledgers come from: "rpc", the node\'s events and transactions; '
        '"ledgers", its whole ledgers (getLedgers); or a data-lake block, which needs no node. '
        "Whole ledgers are proved by their hashes, those that contract_ids and topics cannot "
        "select by their headers only."
    ),
]


class OfFilter:
    """What the flows of streams read of their filter."""

    contract_ids: list[str] | None
    topics: list[list[str]] | None
    events: list[str] | None

    @property
    def event_filter(self) -> EventFilter | None:
        """The filter, None: every event; ConfigurationError for one that no node accepts."""
        return EventFilter.of(self.contract_ids, self.topics, self.events)


DEFAULT_BLOCK = "default"
RpcBlock = Annotated[
    str, BlockName("stellar-rpc"), Field(description="The stellar-rpc block, or its name.")
]
DatabaseBlock = Annotated[
    str,
    BlockName("sorobanflow-database"),
    Field(description="The sorobanflow-database block, or its name."),
]


def block_types(kind: type) -> dict[str, str]:
    """Give the parameters of a class that name blocks, each with the slug of its type."""
    return {
        name: mark.slug
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, BlockName)
    }
