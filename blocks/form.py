"""How Prefect's forms show the fields of a block: units as words, and descriptions whole."""

from typing import Any

from prefect.blocks.core import Block, schema_extra
from pydantic import BaseModel, ConfigDict
from pydantic.fields import ComputedFieldInfo, FieldInfo

#: Endings of names, and how a title says them; the first that fits.
ENDINGS = {"_per_s": " per second", "_s": " (seconds)", "_mib": " (MiB)", "_id": " ID"}


def _title(name: str, _: FieldInfo | ComputedFieldInfo) -> str:
    ending = next((one for one in ENDINGS if name.endswith(one)), "")
    words = name.removesuffix(ending).replace("_", " ")
    return words.capitalize() + ENDINGS.get(ending, "")


def _schema(schema: dict[str, Any], model: type[BaseModel]) -> None:
    if issubclass(model, Block):
        schema_extra(schema, model)
    for field in schema["properties"].values():
        # A line that ends would end the paragraph there.
        field["description"] = " ".join(field["description"].split())


#: Each field has a docstring, which the form shows.
FORM = ConfigDict(
    extra="forbid",
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
    field_title_generator=_title,
    json_schema_extra=_schema,
)
