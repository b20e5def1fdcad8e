"""Load the saved document of a block, or use the defaults instead."""

from typing import TypeVar, cast

from prefect.blocks.core import Block

from blocks.prefect_api import named_api_failures, require_api
from sorobanflow.errors import ConfigurationError, SorobanflowError

DEFAULT_NAME = "default"

BlockT = TypeVar("BlockT", bound=Block)


def load_block(kind: type[BlockT], name: str) -> BlockT:
    """Load a block's document; if `default` is not saved, give a block of defaults if it can be.

    Raises:
        ConfigurationError: the document is not saved, or not valid.
        PrefectUnavailableError: Prefect's API does not answer.
    """
    try:
        require_api()
        with named_api_failures():
            return cast(BlockT, kind.load(name))
    except SorobanflowError:
        raise
    except (ValueError, RuntimeError) as error:
        missing = "Unable to find block document" in str(error)
        needed = any(field.is_required() for field in kind.model_fields.values())
        if missing and name == DEFAULT_NAME and not needed:
            return kind()
        # Not chained: the error may quote the document and its secrets.
        raise ConfigurationError(
            f"the {kind.get_block_type_slug()} block {name!r} "
            + ("is not saved: save it" if missing else "is no longer valid: save it again")
            + " in the Prefect UI or with `sorobanflow blocks`"
        ) from None
