"""Views that name events, calls and storage, and the functions that decode for them

The functions give what `sorobanflow.contracts.values` and `matching` give, by the decoders that
`sorobanflow.contracts.decoders` writes. They are never an error, whatever a value holds: NULL is a
value that is not of its type, the JSON null a void. Depth is bounded, and work by a value's size.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_PURE = "LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$"

_BY_TYPE = f"""
CREATE FUNCTION stored.by_type(value jsonb, kind text, types jsonb, depth integer) RETURNS jsonb
{_PURE}
DECLARE
    node jsonb := types -> kind;
    parts jsonb[];
BEGIN
    IF depth > 120 THEN
        RETURN NULL;
    ELSIF node IS NULL THEN
        IF kind = 'val' THEN
            RETURN value;
        ELSIF kind = 'void' THEN
            RETURN CASE WHEN value = '"void"' THEN 'null'::jsonb END;
        END IF;
        RETURN value -> kind;
    END IF;
    CASE node ->> 'is'
    WHEN 'option' THEN
        IF value = '"void"' THEN
            RETURN 'null';
        END IF;
        RETURN stored.by_type(value, node ->> 'of', types, depth + 1);
    WHEN 'bytes' THEN
        IF length(value ->> 'bytes') = (node -> 'length')::integer THEN
            RETURN value -> 'bytes';
        END IF;
    WHEN 'enum' THEN
        RETURN node -> 'names' -> (value ->> 'u32');
    WHEN 'error' THEN
        RETURN stored.error_by(value -> 'error', node);
    WHEN 'struct' THEN
        IF value = '{{"vec": []}}' AND node -> 'names' = '[]' THEN
            RETURN '[]';
        END IF;
        parts := stored.by_fields(value, node -> 'names', node -> 'types', types, depth + 1);
        RETURN stored.object(node -> 'names', parts);
    WHEN 'tuple' THEN
        RETURN to_jsonb(stored.by_types(value -> 'vec', 0, node -> 'of', types, depth + 1));
    WHEN 'union' THEN
        RETURN stored.by_union(value -> 'vec', node -> 'cases', types, depth + 1);
    WHEN 'vec' THEN
        RETURN to_jsonb(stored.by_item(value -> 'vec', node ->> 'of', types, depth + 1));
    WHEN 'map' THEN
        RETURN stored.by_map(value -> 'map', node, types, depth + 1);
    WHEN 'result' THEN
        IF value -> 'error' IS NULL THEN
            RETURN stored.by_type(value, node ->> 'ok', types, depth + 1);
        END IF;
        RETURN stored.failed(stored.by_type(value, node ->> 'error', types, 0));
    ELSE
        RETURN NULL;
    END CASE;
    RETURN NULL;
END
$$"""
_FAILED = """
CREATE FUNCTION stored.failed(error jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN error IS NOT NULL THEN jsonb_build_object('error', error) END
$$"""
_ERROR_BY = f"""
CREATE FUNCTION stored.error_by(error jsonb, node jsonb) RETURNS jsonb
{_PURE}
BEGIN
    IF error -> 'contract' IS NULL THEN
        RETURN error;
    ELSIF node -> 'any' = 'true' THEN
        RETURN coalesce(node -> 'names' -> (error ->> 'contract'), error);
    END IF;
    RETURN node -> 'names' -> (error ->> 'contract');
END
$$"""
_BY_TYPES = f"""
CREATE FUNCTION stored.by_types(
    items jsonb, first integer, kinds jsonb, types jsonb, depth integer
) RETURNS jsonb[]
{_PURE}
DECLARE
    item jsonb;
    parts jsonb[] := '{{}}';
BEGIN
    IF jsonb_typeof(items) IS DISTINCT FROM 'array' THEN
        RETURN NULL;
    ELSIF jsonb_array_length(items) IS DISTINCT FROM first + jsonb_array_length(kinds) THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. jsonb_array_length(kinds) - 1 LOOP
        item := stored.by_type(items -> (first + place), kinds ->> place, types, depth);
        IF item IS NULL THEN
            RETURN NULL;
        END IF;
        parts := array_append(parts, item);
    END LOOP;
    RETURN parts;
END
$$"""
_BY_ITEM = f"""
CREATE FUNCTION stored.by_item(items jsonb, kind text, types jsonb, depth integer) RETURNS jsonb[]
{_PURE}
DECLARE
    item jsonb;
    parts jsonb[] := '{{}}';
BEGIN
    IF jsonb_typeof(items) IS DISTINCT FROM 'array' THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. jsonb_array_length(items) - 1 LOOP
        item := stored.by_type(items -> place, kind, types, depth);
        IF item IS NULL THEN
            RETURN NULL;
        END IF;
        parts := array_append(parts, item);
    END LOOP;
    RETURN parts;
END
$$"""
_BY_FIELDS = f"""
CREATE FUNCTION stored.by_fields(
    value jsonb, names jsonb, kinds jsonb, types jsonb, depth integer
) RETURNS jsonb[]
{_PURE}
DECLARE
    entries jsonb := value -> 'map';
    item jsonb;
    parts jsonb[] := '{{}}';
BEGIN
    IF jsonb_typeof(entries) IS DISTINCT FROM 'array' THEN
        RETURN NULL;
    ELSIF jsonb_array_length(entries) <> jsonb_array_length(names) THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. jsonb_array_length(names) - 1 LOOP
        item := entries -> place;
        IF item #> '{{key,symbol}}' IS DISTINCT FROM names -> place THEN
            RETURN NULL;
        END IF;
        item := stored.by_type(item -> 'val', kinds ->> place, types, depth);
        IF item IS NULL THEN
            RETURN NULL;
        END IF;
        parts := array_append(parts, item);
    END LOOP;
    RETURN parts;
END
$$"""
_BY_UNION = f"""
CREATE FUNCTION stored.by_union(items jsonb, cases jsonb, types jsonb, depth integer) RETURNS jsonb
{_PURE}
DECLARE
    name text := items -> 0 ->> 'symbol';
    kinds jsonb := cases -> name;
    parts jsonb[] := stored.by_types(items, 1, kinds, types, depth);
BEGIN
    IF name IS NULL OR kinds IS NULL OR parts IS NULL THEN
        RETURN NULL;
    END IF;
    CASE cardinality(parts)
    WHEN 0 THEN
        RETURN to_jsonb(name);
    WHEN 1 THEN
        RETURN jsonb_build_object(name, parts[1]);
    ELSE
        RETURN jsonb_build_object(name, parts);
    END CASE;
END
$$"""
_BY_MAP = f"""
CREATE FUNCTION stored.by_map(entries jsonb, node jsonb, types jsonb, depth integer) RETURNS jsonb
{_PURE}
DECLARE
    key jsonb;
    item jsonb;
    keys jsonb[] := '{{}}';
    parts jsonb[] := '{{}}';
BEGIN
    IF jsonb_typeof(entries) IS DISTINCT FROM 'array' THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. jsonb_array_length(entries) - 1 LOOP
        item := entries -> place;
        key := stored.by_type(item -> 'key', node ->> 'key', types, depth);
        item := stored.by_type(item -> 'val', node ->> 'of', types, depth);
        IF key IS NULL OR item IS NULL THEN
            RETURN NULL;
        END IF;
        keys := array_append(keys, key);
        parts := array_append(parts, item);
    END LOOP;
    IF node -> 'object' = 'true' THEN
        RETURN stored.object(to_jsonb(keys), parts);
    END IF;
    RETURN stored.pairs(keys, parts);
END
$$"""
#: An object, or NULL where two of its names are the same.
_OBJECT = f"""
CREATE FUNCTION stored.object(names jsonb, parts jsonb[]) RETURNS jsonb
{_PURE}
DECLARE
    pieces text[] := '{{}}';
    made jsonb;
BEGIN
    IF parts IS NULL THEN
        RETURN NULL;
    END IF;
    FOR place IN 1 .. cardinality(parts) LOOP
        pieces := array_append(
            pieces, to_json(names ->> (place - 1))::text || ':' || parts[place]::text
        );
    END LOOP;
    made := '{{' || array_to_string(pieces, ',') || '}}';
    IF jsonb_array_length(jsonb_path_query_array(made, '$.*')) = cardinality(parts) THEN
        RETURN made;
    END IF;
    RETURN NULL;
END
$$"""
_PAIRS = """
CREATE FUNCTION stored.pairs(keys jsonb[], parts jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_array(keys[place], parts[place]) ORDER BY place), '[]')
    FROM generate_subscripts(keys, 1) AS n (place)
$$"""
#: JSON of a value of which no type is known; deeper than 120, values stay in SEP-51.
_PLAIN = f"""
CREATE FUNCTION stored.plain(value jsonb, depth integer DEFAULT 0) RETURNS jsonb
{_PURE}
DECLARE
    items jsonb;
    keys jsonb[] := '{{}}';
    parts jsonb[] := '{{}}';
    has_names boolean := true;
BEGIN
    IF value = '"void"' THEN
        RETURN 'null';
    ELSIF depth > 120 OR jsonb_typeof(value) <> 'object' THEN
        RETURN value;
    END IF;
    items := jsonb_path_query_first(value, 'strict $.*');
    IF jsonb_typeof(items) IS DISTINCT FROM 'array' THEN
        RETURN items;
    ELSIF value -> 'map' IS NULL THEN
        FOR place IN 0 .. jsonb_array_length(items) - 1 LOOP
            parts := array_append(parts, stored.plain(items -> place, depth + 1));
        END LOOP;
        RETURN to_jsonb(parts);
    END IF;
    FOR place IN 0 .. jsonb_array_length(items) - 1 LOOP
        keys := array_append(keys, stored.plain(items -> place -> 'key', depth + 1));
        parts := array_append(parts, stored.plain(items -> place -> 'val', depth + 1));
        has_names := has_names AND jsonb_typeof(keys[place + 1]) IN ('string', 'number');
    END LOOP;
    IF has_names THEN
        items := stored.object(to_jsonb(keys), parts);
    END IF;
    RETURN CASE WHEN has_names AND items IS NOT NULL THEN items ELSE stored.pairs(keys, parts) END;
END
$$"""
_HAS_PREFIX = f"""
CREATE FUNCTION stored.has_prefix(topics jsonb, prefix jsonb) RETURNS boolean
{_PURE}
DECLARE
    topic jsonb;
BEGIN
    FOR place IN 0 .. jsonb_array_length(prefix) - 1 LOOP
        topic := topics -> place;
        IF coalesce(topic -> 'symbol', topic -> 'string') IS DISTINCT FROM prefix -> place THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END
$$"""
#: An event by one declaration; NULL: it is of another shape.
_EVENT_BY = f"""
CREATE FUNCTION stored.event_by(decoder jsonb, topics jsonb, value jsonb) RETURNS jsonb
{_PURE}
DECLARE
    types jsonb := decoder -> 'types';
    kinds jsonb := decoder -> 'data_types';
    in_data jsonb[];
    in_topics jsonb[];
BEGIN
    CASE decoder ->> 'format'
    WHEN 'map' THEN
        in_data := stored.by_fields(value, decoder -> 'data', kinds, types, 0);
    WHEN 'vec' THEN
        in_data := stored.by_types(value -> 'vec', 0, kinds, types, 0);
    ELSE
        IF kinds <> '[]' OR value <> '"void"' THEN
            in_data := stored.by_types(jsonb_build_array(value), 0, kinds, types, 0);
        ELSE
            in_data := '{{}}';
        END IF;
    END CASE;
    IF in_data IS NULL THEN
        RETURN NULL;
    END IF;
    in_topics := stored.by_types(topics, jsonb_array_length(decoder -> 'prefix'),
        decoder -> 'topic_types', types, 0);
    IF in_topics IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN jsonb_build_object('event', decoder -> 'name', 'params', stored.object(
        (decoder -> 'topics') || (decoder -> 'data'), in_topics || in_data
    ));
END
$$"""
#: An event by all declarations of a Wasm, which are lists under number of topics and first name.
_EVENT_OF = f"""
CREATE FUNCTION stored.event_of(declared jsonb, topics jsonb, value jsonb) RETURNS jsonb
{_PURE}
DECLARE
    size text := jsonb_array_length(topics);
    name text := coalesce(topics #>> '{{0,symbol}}', topics #>> '{{0,string}}', '');
    candidates jsonb := coalesce(declared -> (size || ' ' || name), '[]')
        || coalesce(declared -> (size || ' '), '[]');
    decoder jsonb;
    outcome jsonb;
    made jsonb;
BEGIN
    IF declared -> '' IS NOT NULL THEN
        RETURN '{{"reason": "types too large"}}';
    END IF;
    FOR place IN 0 .. jsonb_array_length(candidates) - 1 LOOP
        decoder := candidates -> place;
        CONTINUE WHEN NOT stored.has_prefix(topics, decoder -> 'prefix');
        IF decoder ->> 'reason' = 'types too large' THEN
            RETURN '{{"reason": "types too large"}}';
        ELSIF decoder ->> 'format' = 'single_value' OR value -> (decoder ->> 'format') IS NOT NULL
        THEN
            outcome := stored.event_by(decoder, topics, value);
            IF made <> outcome THEN
                RETURN '{{"reason": "ambiguous"}}';
            END IF;
            made := coalesce(outcome, made);
        END IF;
    END LOOP;
    RETURN coalesce(made, stored.event_reason(declared, topics));
END
$$"""
_EVENT_REASON = f"""
CREATE FUNCTION stored.event_reason(declared jsonb, topics jsonb) RETURNS jsonb
{_PURE}
DECLARE
    prefixes jsonb := jsonb_path_query_array(declared, '$.*[*].prefix');
BEGIN
    FOR place IN 0 .. jsonb_array_length(prefixes) - 1 LOOP
        IF stored.has_prefix(topics, prefixes -> place) THEN
            RETURN '{{"reason": "other shape"}}';
        END IF;
    END LOOP;
    RETURN '{{"reason": "undeclared"}}';
END
$$"""
#: The event's name is its first symbols, as in `sorobanflow.contracts.learning`.
_INFERRED = f"""
CREATE FUNCTION stored.inferred(topics jsonb, value jsonb) RETURNS jsonb
{_PURE}
DECLARE
    name text := coalesce(topics #>> '{{0,symbol}}', topics #>> '{{0,string}}');
    second text := CASE WHEN name IS NOT NULL THEN topics #>> '{{1,symbol}}' END;
    items jsonb := coalesce(value -> 'vec', value -> 'map');
    keys jsonb[] := '{{}}';
    parts jsonb[] := '{{}}';
    params jsonb;
BEGIN
    FOR place IN num_nonnulls(name, second) .. jsonb_array_length(topics) - 1 LOOP
        keys := array_append(keys, to_jsonb('topic_' || place));
        parts := array_append(parts, stored.plain(topics -> place));
    END LOOP;
    IF value -> 'map' IS NOT NULL AND jsonb_path_exists(items, '$[*].key ? (!exists(@.symbol))') THEN
        items := NULL;
    END IF;
    IF jsonb_typeof(items) IS DISTINCT FROM 'array' THEN
        IF value <> '"void"' THEN
            keys := array_append(keys, to_jsonb('value'::text));
            parts := array_append(parts, stored.plain(value));
        END IF;
        items := '[]';
    END IF;
    FOR place IN 0 .. jsonb_array_length(items) - 1 LOOP
        IF value -> 'map' IS NULL THEN
            keys := array_append(keys, to_jsonb('value_' || place));
            parts := array_append(parts, stored.plain(items -> place));
        ELSE
            keys := array_append(keys, items -> place -> 'key' -> 'symbol');
            parts := array_append(parts, stored.plain(items -> place -> 'val'));
        END IF;
    END LOOP;
    params := stored.object(to_jsonb(keys), parts);
    IF params IS NULL THEN
        RETURN '{{"reason": "other shape"}}';
    END IF;
    name := coalesce(concat_ws('_', name, second), '');
    RETURN jsonb_build_object('event', coalesce(nullif(name, ''), 'event'), 'params', params,
        'inferred', true);
END
$$"""
_CALL_BY = f"""
CREATE FUNCTION stored.call_by(decoder jsonb, arguments jsonb, result jsonb) RETURNS jsonb
{_PURE}
DECLARE
    types jsonb := decoder -> 'types';
    parts jsonb[];
    returned jsonb;
    outcome jsonb;
BEGIN
    IF decoder IS NULL THEN
        RETURN '{{"reason": "undeclared"}}';
    ELSIF decoder -> 'reason' IS NOT NULL THEN
        RETURN decoder;
    END IF;
    parts := stored.by_types(arguments, 0, decoder -> 'input_types', types, 0);
    IF parts IS NULL THEN
        RETURN '{{"reason": "other arguments"}}';
    END IF;
    outcome := jsonb_build_object('arguments', stored.object(decoder -> 'inputs', parts));
    IF result IS NULL THEN
        RETURN outcome;
    ELSIF decoder ->> 'error' IS NOT NULL AND result -> 'error' IS NOT NULL THEN
        returned := stored.failed(stored.by_type(result, decoder ->> 'error', types, 0));
    ELSE
        returned := stored.by_type(result, decoder ->> 'output', types, 0);
        returned := CASE WHEN returned IS NOT NULL
            THEN jsonb_build_object('result', returned) END;
    END IF;
    RETURN CASE WHEN returned IS NULL THEN '{{"reason": "other result"}}'::jsonb
        ELSE outcome || returned END;
END
$$"""


def _wasm(contract: str, first: str, last: str) -> str:
    """Join, as w, the Wasm that a contract runs at a place.

    Its ranges are a list first, of the contract alone: so PostgreSQL makes it once per contract.
    """
    columns = "first_ledger int, first_tx int, last_ledger int, last_tx int"
    return f"""LEFT JOIN LATERAL (
    SELECT array_agg(r) AS list FROM stored.wasms_of({contract}) AS r
) AS ranges ON true
LEFT JOIN LATERAL (
    SELECT r.wasm_hash FROM unnest(ranges.list) AS r ({columns}, wasm_hash text, source text)
    WHERE ({first}) >= (r.first_ledger, r.first_tx) AND ({last}) <= (r.last_ledger, r.last_tx)
    LIMIT 1
) AS w ON true"""  # noqa: S608 - our own text


_EVENTS_NAMED = f"""
SELECT
    e.id,
    e.ledger,
    e.closed_at,
    e.tx_hash,
    e.contract_id,
    n.outcome ->> 'event' AS event,
    n.outcome -> 'params' AS params,
    CASE
        WHEN n.outcome -> 'event' IS NULL THEN NULL
        WHEN n.outcome -> 'inferred' IS NOT NULL THEN 'inferred'
        WHEN w.wasm_hash = 'stellar-asset' THEN 'asset'
        ELSE 'declared'
    END AS origin,
    n.outcome ->> 'reason' AS reason,
    w.wasm_hash,
    e.topics,
    e.value,
    e.type,
    e.in_successful_call,
    e.tx_index,
    e.op_index,
    e.event_index
FROM events AS e
{_wasm("e.contract_id", "e.ledger, e.tx_index", "e.ledger, e.tx_index")}
LEFT JOIN contract_specs AS s ON s.wasm_hash = w.wasm_hash
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(l.key, l.list) AS declared FROM (
        SELECT c.decoder ->> 'key' AS key, jsonb_agg(c.decoder) AS list
        FROM contract_events AS c WHERE c.wasm_hash = w.wasm_hash GROUP BY 1
    ) AS l
) AS d ON true
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN e.contract_id IS NULL THEN '{{"reason": "no contract"}}'::jsonb
        WHEN w.wasm_hash IS NULL THEN '{{"reason": "executable not known"}}'
        WHEN s.problems IS NULL THEN '{{"reason": "no spec"}}'
        WHEN d.declared IS NOT NULL THEN stored.event_of(d.declared, e.topics, e.value)
        ELSE stored.inferred(e.topics, e.value)
    END
    OFFSET 0
) AS n (outcome)
"""  # noqa: S608 - our own text
_REASONS = (
    "no contract, executable not known (which Wasm ran is not proved), no spec (its code was not "
    "read, or declares nothing)"
)
_EVENTS_NAMED_COLUMNS = {
    "id": "id of the event; sorts in chain order",
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "tx_hash": "transaction that emitted it",
    "contract_id": "emitting contract (C…), if any",
    "event": "its name: as declared, else its first symbols; null: it has none",
    "params": "its parameters by name, plain JSON: addresses and numbers of 64 and more bits as "
    "text, bytes in hex, structs as objects, enums and unions by name",
    "origin": "declared (by the Wasm that ran), asset (the built-in interface of asset contracts) "
    "or inferred (the Wasm declares no events: names are first symbols, keys of a map and "
    "places); null: no name",
    "reason": f"why it has no name: {_REASONS}, undeclared, other shape, ambiguous (it matches "
    "declarations that say different things) or types too large",
    "wasm_hash": "Wasm that ran, hex; stellar-asset: an asset contract; null: not known",
    "topics": "topics in order, SEP-51 values",
    "value": "data, a SEP-51 value",
    "type": "contract or system",
    "in_successful_call": "whether the transaction succeeded; null where the node does not say",
    "tx_index": "1-based order in the ledger; 0 before, 1048575 after all transactions (fees)",
    "op_index": "0-based operation; 4095 after the transaction",
    "event_index": "index within its stage",
}

_CALLS_NAMED = f"""
SELECT
    o.ledger,
    o.closed_at,
    o.tx_hash,
    o.op_index,
    o.source_account,
    c.contract_id,
    c.function,
    n.outcome -> 'arguments' AS arguments,
    nullif(n.outcome -> 'result', 'null') AS result,
    coalesce(n.outcome -> 'error', to_jsonb(x.name), k.result) AS error,
    CASE
        WHEN n.outcome -> 'arguments' IS NULL THEN NULL
        WHEN w.wasm_hash = 'stellar-asset' THEN 'asset'
        ELSE 'declared'
    END AS origin,
    n.outcome ->> 'reason' AS reason,
    o.successful,
    o.result_code,
    w.wasm_hash,
    c.arguments AS raw_arguments,
    t.return_value AS raw_result,
    t.application_order
FROM operations AS o
CROSS JOIN LATERAL (
    SELECT i.call ->> 'contract_address', i.call ->> 'function_name', i.call -> 'args'
    FROM (SELECT o.details #> '{{host_function,invoke_contract}}') AS i (call)
) AS c (contract_id, function, arguments)
JOIN transactions AS t ON t.ledger = o.ledger AND t.hash = o.tx_hash
{_wasm("c.contract_id", "o.ledger, t.application_order", "o.ledger, t.application_order - 1")}
LEFT JOIN contract_specs AS s ON s.wasm_hash = w.wasm_hash
LEFT JOIN LATERAL (
    SELECT f.decoder FROM contract_functions AS f
    WHERE f.wasm_hash = w.wasm_hash AND f.name = c.function ORDER BY f.position LIMIT 1
) AS f ON true
LEFT JOIN contract_calls AS k
    ON k.ledger = o.ledger AND k.tx_hash = o.tx_hash AND k.call_index = 0
    AND NOT k.returned AND k.contract_id = c.contract_id AND k.function = c.function
LEFT JOIN LATERAL (
    SELECT CASE WHEN min(x.name) = max(x.name) THEN min(x.name) END AS name
    FROM contract_errors AS x
    WHERE x.wasm_hash = w.wasm_hash AND x.code::text = k.result #>> '{{error,contract}}'
) AS x ON true
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN w.wasm_hash IS NULL THEN '{{"reason": "executable not known"}}'::jsonb
        WHEN s.problems IS NULL OR s.problems @? '$[*] ? (@ starts with "no spec")'
            THEN '{{"reason": "no spec"}}'
        ELSE stored.call_by(f.decoder, c.arguments, t.return_value)
    END
    OFFSET 0
) AS n (outcome)
WHERE o.type = 'invoke_host_function' AND c.contract_id IS NOT NULL
"""  # noqa: S608 - our own text
_CALLS_NAMED_COLUMNS = {
    "ledger": "sequence of the ledger",
    "closed_at": "close time of the ledger",
    "tx_hash": "its transaction",
    "op_index": "0-based order in the transaction",
    "source_account": "who called (G…)",
    "contract_id": "called contract (C…)",
    "function": "name of the function",
    "arguments": "its arguments by name, plain JSON as in events_named; null: not named",
    "result": "what it returned, plain JSON; null: nothing, it failed, or the call is not named",
    "error": "the error that it ended with, by name, or SEP-51 where it has none; null: none, or "
    "contract_calls does not have it. Nothing proves it: it is from diagnostic events",
    "origin": "declared (by the Wasm that ran) or asset (the built-in interface of asset "
    "contracts); null: not named",
    "reason": f"why it is not named: {_REASONS.removeprefix('no contract, ')}, undeclared, other "
    "arguments, other result, ambiguous (two arguments of one name) or types too large",
    "successful": "whether the transaction was applied",
    "result_code": "its result, e.g. success or trapped; null where it was not tried",
    "wasm_hash": "Wasm that ran, hex; stellar-asset: an asset contract; null: not known",
    "raw_arguments": "arguments in order, SEP-51 values",
    "raw_result": "what it returned, a SEP-51 value; null: it failed, or is not known",
    "application_order": "its transaction's 1-based order in the ledger",
}

_FITTING = """
    SELECT array_agg(f.name) AS names, array_agg(f.value) AS parts FROM (
        SELECT d.name, stored.by_type({value}, d.decoder ->> 'type', d.decoder -> 'types', 0)
        FROM contract_types AS d
        WHERE d.wasm_hash = w.wasm_hash AND d.kind = '{kind}'
        OFFSET 0
    ) AS f (name, value) WHERE f.value IS NOT NULL
"""
_STORAGE_NAMED = f"""
SELECT
    e.contract_id,
    i.durability,
    CASE WHEN cardinality(k.parts) = 1 THEN k.parts[1] ELSE stored.plain(i.key) END AS key,
    CASE WHEN cardinality(v.parts) = 1 THEN v.parts[1] ELSE stored.plain(i.value) END AS value,
    CASE WHEN cardinality(k.parts) = 1 THEN k.names[1] END AS key_type,
    CASE WHEN cardinality(v.parts) = 1 THEN v.names[1] END AS value_type,
    e.ledger,
    e.live_until_ledger,
    e.durability = 'persistent' AND (e.evicted OR e.live_until_ledger < newest.ledger)
        AS archived,
    w.wasm_hash,
    i.key AS raw_key,
    i.value AS raw_value,
    e.key_hash
FROM contract_data_entries AS e
CROSS JOIN (SELECT max(sequence) FROM ledgers) AS newest (ledger)
CROSS JOIN LATERAL (
    SELECT e.durability, e.key, e.value WHERE e.key <> '"ledger_key_contract_instance"'
    UNION ALL
    SELECT 'instance', s.entry -> 'key', s.entry -> 'val'
    FROM jsonb_path_query(e.value, '$.contract_instance.storage[*]') AS s (entry)
    WHERE e.key = '"ledger_key_contract_instance"' AND jsonb_typeof(s.entry) = 'object'
) AS i (durability, key, value)
{_wasm("e.contract_id", "e.ledger, e.tx_order", "e.ledger, e.tx_order")}
LEFT JOIN LATERAL ({_FITTING.format(value="i.key", kind="union")}) AS k ON true
LEFT JOIN LATERAL ({_FITTING.format(value="i.value", kind="struct")}) AS v ON true
WHERE e.ledger IS NOT NULL
    AND NOT e.deleted
    AND (e.durability = 'temporary' AND (e.evicted OR e.live_until_ledger < newest.ledger))
        IS NOT TRUE
"""  # noqa: S608 - our own text
_STORAGE_NAMED_COLUMNS = {
    "contract_id": "contract whose storage it is (C…); a nonce has an account (G…)",
    "durability": "temporary, persistent, or instance: stored in the contract's instance",
    "key": "key, plain JSON as in events_named, by the declared union that it fits, if it is one",
    "value": "value, plain JSON, by the declared struct that it fits, if it is one",
    "key_type": "the union of the key; null: none fits, or several do",
    "value_type": "the struct of the value; null: none fits, or several do",
    "ledger": "ledger of its last change",
    "live_until_ledger": "last ledger in which it is live; null: not seen",
    "archived": "whether its life ended before the newest stored ledger, so that it must be "
    "restored to be used; null: not known",
    "wasm_hash": "Wasm that the contract ran at its last change, hex; null: not known",
    "raw_key": "key, a SEP-51 value",
    "raw_value": "value, a SEP-51 value",
    "key_hash": "its entry in contract_data_entries",
}

# Name: query, what a row is, its columns.
_VIEWS = {
    "events_named": (
        _EVENTS_NAMED,
        "An event by name, as the Wasm that ran when it was emitted declares it. What nothing "
        "proves has no name: see reason.",
        _EVENTS_NAMED_COLUMNS,
    ),
    "calls_named": (
        _CALLS_NAMED,
        "A call of a contract by a transaction, with its arguments by name, as the Wasm that ran "
        "declares them. See contract_calls for calls between contracts.",
        _CALLS_NAMED_COLUMNS,
    ),
    "storage_named": (
        _STORAGE_NAMED,
        "An entry of contract_storage, or an item that a contract's instance stores, in plain "
        "JSON. A spec does not say of which types keys and values are: a type is named where "
        "exactly one that the contract declares fits.",
        _STORAGE_NAMED_COLUMNS,
    ),
}

_FUNCTIONS = {
    "failed(jsonb)": _FAILED,
    "error_by(jsonb, jsonb)": _ERROR_BY,
    "object(jsonb, jsonb[])": _OBJECT,
    "pairs(jsonb[], jsonb[])": _PAIRS,
    "by_type(jsonb, text, jsonb, integer)": _BY_TYPE,
    "by_types(jsonb, integer, jsonb, jsonb, integer)": _BY_TYPES,
    "by_item(jsonb, text, jsonb, integer)": _BY_ITEM,
    "by_fields(jsonb, jsonb, jsonb, jsonb, integer)": _BY_FIELDS,
    "by_union(jsonb, jsonb, jsonb, integer)": _BY_UNION,
    "by_map(jsonb, jsonb, jsonb, integer)": _BY_MAP,
    "plain(jsonb, integer)": _PLAIN,
    "has_prefix(jsonb, jsonb)": _HAS_PREFIX,
    "event_by(jsonb, jsonb, jsonb)": _EVENT_BY,
    "event_reason(jsonb, jsonb)": _EVENT_REASON,
    "event_of(jsonb, jsonb, jsonb)": _EVENT_OF,
    "inferred(jsonb, jsonb)": _INFERRED,
    "call_by(jsonb, jsonb, jsonb)": _CALL_BY,
}

#: Of contract_calls.result, after and before.
_RESULT = (
    "what it returned, a SEP-51 value; null: larger than 64 KiB. Where returned is false, the "
    "error that its contract reported, if any",
    "what it returned, a SEP-51 value; null: it did not, or larger than 64 KiB",
)


def upgrade() -> None:
    """Apply the change."""
    _comment_result(_RESULT[0])
    for create in _FUNCTIONS.values():
        _execute(create)
    for name, (query, comment, columns) in _VIEWS.items():
        _execute(f"CREATE VIEW {name} AS {query}")
        _execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for column, meaning in columns.items():
            _execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(meaning)}")


def downgrade() -> None:
    """Take the change back."""
    for name in _VIEWS:
        op.execute(f"DROP VIEW {name}")
    for name in _FUNCTIONS:
        op.execute(f"DROP FUNCTION stored.{name}")
    _comment_result(_RESULT[1])


def _comment_result(comment: str) -> None:
    for relation in ("stored.contract_calls", "contract_calls"):
        _execute(f"COMMENT ON COLUMN {relation}.result IS {_quoted(comment)}")


def _execute(statement: str) -> None:
    """Execute it as it is, with colons and percent signs."""
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
