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
    except ValueError as error:
        if name == DEFAULT_NAME and "Unable to find block document" in str(error):
            return kind()
        raise ConfigurationError(
            f"cannot load the {kind.get_block_type_slug()} block {name!r}: {error}; "
            "save it in the Prefect UI or with `python -m deployments.register_blocks`"
        ) from error
