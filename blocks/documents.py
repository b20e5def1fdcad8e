"""Find the saved document of a block, or stand in for it with defaults."""

from typing import TypeVar, cast

from prefect.blocks.core import Block

from sorobanflow.errors import ConfigurationError

DEFAULT_NAME = "default"

BlockT = TypeVar("BlockT", bound=Block)


def load_block(kind: type[BlockT], name: str) -> BlockT:
    """Load the block's document; unsaved, `default` gives a block of defaults.

    Raises:
        ConfigurationError: a name other than `default` is not saved.
    """
    try:
        return cast(BlockT, kind.load(name))
    except (ValueError, RuntimeError) as error:
        missing = "Unable to find block document" in str(error)
        if missing and name == DEFAULT_NAME:
            return kind()
        # The error may quote the document, secrets and all: it goes no further.
        raise ConfigurationError(
            f"the {kind.get_block_type_slug()} block {name!r} "
            + ("is not saved; save it" if missing else "is not valid any more; save it again")
            + " in the Prefect UI or with `python -m deployments.register_blocks`"
        ) from None
