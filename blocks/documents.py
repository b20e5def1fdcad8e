"""Load the saved document of a block, or use the defaults instead."""

from contextlib import suppress
from difflib import get_close_matches
from typing import TypeVar, cast

import httpx
from prefect import get_client
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.exceptions import PrefectException

from blocks.prefect_api import named_api_failures, require_api
from blocks.stellar_rpc import StellarRpc
from sorobanflow.errors import ConfigurationError, SorobanflowError

DEFAULT_NAME = "default"
MAX_NAMED = 10  # of the saved documents, in a message

_SAVE = "save it in the Prefect UI or with `sorobanflow blocks`"

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
            block = cast(BlockT, kind.load(name))
            mend(block)
            return block
    except SorobanflowError:
        raise
    except (ValueError, RuntimeError) as error:
        missing = "Unable to find block document" in str(error)
        needed = any(field.is_required() for field in kind.model_fields.values())
        if missing and name == DEFAULT_NAME and not needed:
            return kind()
        # Not chained: the error may quote the document and its secrets.
        said = f"the {kind.get_block_type_slug()} block {name!r}"
        raise ConfigurationError(
            f"{said} is not saved{_others(kind, name)} {_SAVE}"
            if missing
            else f"{said} is no longer valid; {_SAVE} again"
        ) from None


def mend(block: Block) -> None:
    """Save what an edit in Prefect's form left old; a block is used also if that fails."""
    fields = block.saved_fields_to_mend() if isinstance(block, StellarRpc) else {}
    if fields and block._block_document_id is not None:
        update = BlockDocumentUpdate(data=fields, merge_existing_data=True)
        with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
            client.update_block_document(block._block_document_id, update)


def _others(kind: type[Block], name: str) -> str:
    """Name the saved documents, of which one may be meant."""
    with get_client(sync_client=True) as client:
        documents = client.read_block_documents_by_type(kind.get_block_type_slug())
    saved = sorted(one.name for one in documents if one.name)
    if close := get_close_matches(name, saved, n=1):
        return f"; did you mean {close[0]}? Else"
    return f" (saved: {', '.join(saved[:MAX_NAMED])});" if saved else ";"
