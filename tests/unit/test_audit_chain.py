from sorobanflow.audit.chain import Proof, Run
from sorobanflow.ledgers import Anchor, LedgerRange

HASH, OTHER = "ab" * 32, "cd" * 32
RUNS = Run(LedgerRange(5, 9)), Run(LedgerRange(10, 20), is_break=True), Run(LedgerRange(30, 30))


def test_nothing_is_said_of_a_stream_without_whole_ledgers() -> None:
    assert Proof().lines() == []


def test_runs_and_breaks_are_named() -> None:
    proof = Proof(RUNS)
    assert proof.lines() == [("proved as whole ledgers", "17 (5-9, 10-20, 30)")]
    assert (proof.breaks, proof.contradicts_anchor) == ([10], False)


def test_line_of_many_runs_is_bounded() -> None:
    runs = tuple(Run(LedgerRange(number, number)) for number in range(0, 2000, 2))
    [(_, value)] = Proof(runs).lines()
    assert value == "1,000 (0, 2, 4, …, 1994, 1996, 1998)"


def test_anchor_vouches_for_the_ledgers_of_its_run_up_to_its_own() -> None:
    lines = Proof(RUNS, Anchor(12, HASH), HASH).lines()
    assert lines[1] == ("anchor", "it vouches for ledgers 10-12; 13-20 only build on it")
    assert Proof(RUNS, Anchor(20, HASH), HASH).lines()[1][1] == "it vouches for ledgers 10-20"


def test_anchor_of_a_ledger_that_is_not_proved_vouches_for_nothing() -> None:
    for anchor, known in ((Anchor(25, HASH), None), (Anchor(25, HASH), HASH)):
        proof = Proof(RUNS, anchor, known)
        assert proof.lines()[1][1] == "ledger 25 is not among the proved ledgers"
        assert not proof.contradicts_anchor


def test_anchor_with_another_hash_contradicts() -> None:
    proof = Proof(RUNS, Anchor(12, HASH), OTHER)
    assert proof.contradicts_anchor
    assert proof.lines()[1][1] == f"ledger 12 has another hash: {OTHER}"
