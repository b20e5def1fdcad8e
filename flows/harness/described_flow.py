"""Make a Prefect flow of a class of parameters and a function that takes them.

The flow's signature, its description and the descriptions in Prefect's form are the class's.
Where a parameter names a block, the form offers the saved ones too; the function gets the name.
"""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from types import NoneType
from typing import Annotated, Any, ParamSpec, TypeVar, Union, cast, get_args

from prefect.blocks.core import Block
from prefect.flows import Flow
from pydantic import Field

from blocks import Database, DataLake, StellarRpc
from flows.harness.outcome import FlowWithOutcome, keep_outcome
from flows.parameters.reading import checked, parameter_schemas
from flows.parameters.shared import block_types
from sorobanflow.errors import ConfigurationError

#: The class of the parameters of each flow, by the flow's name.
PARAMETERS: dict[str, type] = {}
#: The types of blocks that a parameter may name.
BLOCKS: dict[str, type[Block]] = {
    kind.get_block_type_slug(): kind for kind in (StellarRpc, Database, DataLake)
}

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def described_flow(
    parameters: Callable[P, T], *, name: str, flow_run_name: str
) -> Callable[[Callable[[T], R]], Flow[P, R]]:
    """Decorate the function of a flow; a flow that is called takes the class's fields."""

    def decorate(carry_out: Callable[[T], R]) -> Flow[P, R]:
        taken = _signature(cast(type, parameters))

        @wraps(carry_out)
        def run(*first: Any, **rest: Any) -> R:  # noqa: ANN401 - as the class says
            given = taken.bind(*first, **rest).arguments
            named = {field: _block_name(value) for field, value in given.items()}
            return keep_outcome(carry_out(checked(parameters, named)))

        run.__signature__ = taken  # type: ignore[attr-defined]
        run.__doc__ = _docstring(parameters)  # where Prefect looks for descriptions
        # Never retried: a retry would find a gap recorded already, and end as Completed.
        made = FlowWithOutcome(
            run,
            name=name,
            flow_run_name=flow_run_name,
            description=parameters.__doc__,
            persist_result=False,
            retries=0,
        )
        PARAMETERS[name] = cast(type, parameters)
        return cast(Flow[P, R], made)

    return decorate


def _signature(kind: type) -> Signature:
    taken, slugs = signature(kind), block_types(kind)
    return taken.replace(
        parameters=[
            _or_block(one, BLOCKS[slugs[name]]) if name in slugs else one
            for name, one in taken.parameters.items()
        ]
    )


def _or_block(parameter: Parameter, block: type[Block]) -> Parameter:
    """Let a parameter take a block too, which the form offers before free text."""
    kind = get_args(parameter.annotation)[0]  # without what annotates it
    arms = list(get_args(kind) or (kind,))
    place = arms.index(str)
    arms = [*map(_titled, arms[:place]), block, *map(_titled, arms[place:])]
    return parameter.replace(annotation=Union[tuple(arms)])  # noqa: UP007 - made of a list


def _titled(arm: Any) -> Any:  # noqa: ANN401 - a type
    """Have the form name an alternative by what it means, and not by its type."""
    return Annotated[arm, Field(title={str: "name", NoneType: "none"}.get(arm, "node"))]


def _block_name(value: Any) -> Any:  # noqa: ANN401 - of any parameter
    """Give the name of a block; anything else as it is."""
    if not isinstance(value, Block):
        return value
    if value._block_document_name is None:
        kind = value.get_block_type_slug()
        raise ConfigurationError(f"the {kind} block was not saved; save it, and give its name")
    return value._block_document_name


def _docstring(parameters: Callable[..., Any]) -> str:
    """Write what a class says of its fields in the form that Prefect reads."""
    fields = parameter_schemas(parameters).items()
    lines = [f"    {name}: {' '.join(one['description'].split())}" for name, one in fields]
    return "\n".join([parameters.__doc__ or "", "", "Args:", *lines])
