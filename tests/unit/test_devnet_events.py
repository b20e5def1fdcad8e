"""The event stream: ids by stage, and the walk over metas against stellar-sdk."""

from stellar_sdk import scval, xdr

from sorobanflow.devnet.events import AppliedEvents, ledger_events
from sorobanflow.devnet.generator import Generator
from sorobanflow.devnet.meta import ContractEvent, StagedEvent, TransactionEvents, read_meta

BEFORE, AFTER_TX, AFTER_ALL = range(3)


def contract_event(name: str, kind: int = 1) -> ContractEvent:
    body = xdr.ContractEventBody(0, xdr.ContractEventV0([scval.to_symbol(name)], scval.to_void()))
    made = xdr.ContractEvent(xdr.ExtensionPoint(0), None, xdr.ContractEventType(kind), body)
    return ContractEvent(made.to_xdr_bytes())


def staged(stage: int, name: str) -> StagedEvent:
    return StagedEvent(stage, contract_event(name), b"")


def stream(*events: TransactionEvents) -> list[tuple[str, str]]:
    applied = [AppliedEvents(f"tx{n}", True, each) for n, each in enumerate(events, start=1)]
    return [(each.tx_hash, each.position.event_id) for each in ledger_events(3, applied)]


def test_stages_stand_in_order_with_their_indices() -> None:
    first = TransactionEvents(
        (staged(BEFORE, "fee"), staged(AFTER_TX, "note"), staged(AFTER_ALL, "refund")),
        ((contract_event("a"), contract_event("b")), (contract_event("c"),)),
    )
    second = TransactionEvents(
        (staged(BEFORE, "fee"), staged(AFTER_ALL, "refund")), ((contract_event("d"),),)
    )
    assert stream(first, second) == [
        ("tx1", "0000000012884901888-0000000000"),  # ledger 3, tx 0: fees, numbered through
        ("tx2", "0000000012884901888-0000000001"),
        ("tx1", "0000000012884905984-0000000000"),  # tx 1, operation 0
        ("tx1", "0000000012884905984-0000000001"),
        ("tx1", "0000000012884905985-0000000000"),  # tx 1, operation 1
        ("tx1", "0000000012884910079-0000000000"),  # tx 1, operation 4095
        ("tx2", "0000000012884910080-0000000000"),  # tx 2, operation 0
        ("tx1", "0000000017179865088-0000000000"),  # tx 1048575: refunds, numbered through
        ("tx2", "0000000017179865088-0000000001"),
    ]


def test_indices_count_the_events_that_the_stream_leaves_out() -> None:
    diagnostic, system = contract_event("d", kind=2), contract_event("s", kind=0)
    ids = stream(TransactionEvents((), ((diagnostic, system),)))
    assert ids == [("tx1", "0000000012884905984-0000000001")]


def test_event_gives_its_parts() -> None:
    event = contract_event("hello")
    assert (event.contract, event.type) == (b"", 1)
    assert event.topics == (scval.to_symbol("hello").to_xdr_bytes(),)
    assert event.value == scval.to_void().to_xdr_bytes()


def test_read_meta_agrees_with_stellar_sdk() -> None:
    generator = Generator(5, transactions_per_ledger=20)
    for transaction in generator.ledger(3).transactions:
        meta = xdr.TransactionMeta.from_xdr(transaction.result_meta_xdr).v4
        assert meta is not None
        read = read_meta(transaction.result_meta_xdr)
        assert read.transaction_events_xdr == [each.to_xdr() for each in meta.events]
        assert read.contract_events_xdr == [
            [event.to_xdr() for event in operation.events] for operation in meta.operations
        ]


def test_read_meta_v3_has_soroban_events_only() -> None:
    event = xdr.ContractEvent.from_xdr_bytes(contract_event("old").xdr)
    soroban = xdr.SorobanTransactionMeta(
        xdr.SorobanTransactionMetaExt(0), [event, event], scval.to_void(), []
    )
    none = xdr.LedgerEntryChanges([])
    for part, expected in ((soroban, 2), (None, 0)):
        v3 = xdr.TransactionMetaV3(xdr.ExtensionPoint(0), none, [], none, part)
        read = read_meta(xdr.TransactionMeta(3, v3=v3).to_xdr())
        assert sum(len(operation) for operation in read.operations) == expected


def test_read_meta_v2_has_no_events() -> None:
    none = xdr.LedgerEntryChanges([])
    v2 = xdr.TransactionMeta(2, v2=xdr.TransactionMetaV2(none, [], none))
    assert read_meta(v2.to_xdr()) == TransactionEvents()
