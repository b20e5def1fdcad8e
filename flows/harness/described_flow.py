"""Make a Prefect flow of a class of parameters and a function that takes them.

The flow's signature, its description and the descriptions in Prefect's form are the class's.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar, cast

from prefect import flow
from prefect.flows import Flow

from flows.parameters.reading import checked, parameter_schemas

#: The class of the parameters of each flow, by the flow's name.
PARAMETERS: dict[str, type] = {}

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def described_flow(
    parameters: Callable[P, T], *, name: str, flow_run_name: str
) -> Callable[[Callable[[T], R]], Flow[P, R]]:
    """Decorate the function of a flow; a flow that is called takes the class's fields by name."""

    def decorate(carry_out: Callable[[T], R]) -> Flow[P, R]:
        taken = signature(parameters)

        @wraps(carry_out)
        def run(*first: Any, **rest: Any) -> R:  # noqa: ANN401 - as the class says
            return carry_out(checked(parameters, taken.bind(*first, **rest).arguments))

        run.__signature__ = taken  # type: ignore[attr-defined]
        run.__doc__ = _docstring(parameters)  # where Prefect looks for descriptions
        # Never retried: a retry would find a gap recorded already, and end as Completed.
        made = flow(
            name=name,
            flow_run_name=flow_run_name,
            description=parameters.__doc__,
            persist_result=False,
            retries=0,
        )
        PARAMETERS[name] = cast(type, parameters)
        return cast(Flow[P, R], made(run))

    return decorate


def _docstring(parameters: Callable[..., Any]) -> str:
    """Write what a class says of its fields in the form that Prefect reads."""
    fields = parameter_schemas(parameters).items()
    lines = [f"    {name}: {' '.join(one['description'].split())}" for name, one in fields]
    return "\n".join([parameters.__doc__ or "", "", "Args:", *lines])
