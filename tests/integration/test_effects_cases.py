"""Two derivations of the same transactions agree: our rows, and an independent parser's effects.

The other side is the JavaScript parser of stellar.expert, on transactions of pubnet,
testnet, futurenet and a core test. Every fact that both sides state is compared, behind
each operation, and what our rows state beyond (a balance moved, an entry written) is a
difference as well.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.integration.effects_rows import Case, Told
from tests.integration.effects_stated import NOT_OURS, Fact, Stated
from tests.integration.test_rows_corpus import wrap

MISSING = "nothing"


class Difference(NamedTuple):
    """A fact of which the other side states one value and our rows tell another."""

    case: str
    fact: Fact
    stated: Any
    told: Any


CODE = "5c552fb97ba9d4883431e719982b718923dd4d0f9c290e6edd64f180f9bbe46d"
DEPLOYER_CODE = "10bd9a77f35a9619cb95a3fff229bf94a6775bcd449a243dc42cbee601e51919"
PAYER_IN_XLM = (
    "GBO35GRPSFZQVSXBKITBR2F6KY3L77ZT7M66EQPOZKB7WJTX37YFLUQW",
    "CDLZFC3SYJYDZT7K67VZ75HPJVIEUVNIXF47ZG2FB2RMQQVU2HHGCYSC",
)
UPLOADED_AGAIN = "the operation uploads code that was there: the meta has no change of it"
REFUND = "ours is behind the refund of 4835 stroops, which follows the operation"
EXPLAINED = {
    Difference(
        "contract-deployed-with-constructor",
        ("contract", "CAKW56TYUFCBQKMJMDAYIUNHM3ZDAXCILCGTUHWJTVG6QM3MOEAGLU26"),
        "406edc375a4334ea2849d22e490919a5456ee176dd2f9fc3e1e557cd242ec593",
        MISSING,
    ): "the one contract again, under the id that futurenet's passphrase would give it",
    Difference("contract-uploaded", ("code", CODE), (CODE, 5013), MISSING): UPLOADED_AGAIN,
    Difference(
        "contract-uploaded",
        ("created", "a833daa7f7417cfde21e95bdf74732d432b2d7d7f2a7acd364d6ff31eb16f27f"),
        True,
        MISSING,
    ): UPLOADED_AGAIN,
    Difference(
        "deployer-contract-uploaded",
        ("code", DEPLOYER_CODE),
        (DEPLOYER_CODE, 2168),
        MISSING,
    ): UPLOADED_AGAIN,
    Difference(
        "deployer-contract-uploaded",
        ("created", "bf0f5801e9949f724eabd3aaa88f05ac6ee1c6d62de6948f78c3d0ac335e94b4"),
        True,
        MISSING,
    ): UPLOADED_AGAIN,
    Difference(
        "contract-write-to-temp-storage",
        ("event", "1"),
        MISSING,
        (
            "CAC6EQW2WCFXWEUANOAM3S7N7A6MROFX3ZC27YIS77HAKTJ465BF6BCO",
            "AAAADwAAAAREQVRB",
            "AAAADwAAAANzZXQA",
            "AAAAEAAAAAEAAAABAAAAEQAAAAEAAAACAAAADwAAAAR2YWwxAAAABQAAAAAAAAB7"
            "AAAADwAAAAR2YWwyAAAABP////s=",
        ),
    ): "the other side reads a V3 meta's events among its diagnostic events; this one has none",
    Difference(
        "sac-token-burn-from-contract-address",
        ("burned", "CCM3HZUM5ATNQCEMPPC7U4W7SVPVC2VE7DA2GKAERFXKEDC43LY3OFJX"),
        1002,
        MISSING,
    ): "a transfer to the issuer: the event says transfer, the other side counts it as burnt",
    Difference(
        "xlm-transfer-through-soroban", ("balance", *PAYER_IN_XLM), 99998472131, 99998476966
    ): REFUND,
    Difference("xlm-transfer-through-soroban", ("moved", *PAYER_IN_XLM), -100, 4735): REFUND,
}


class Comparison:
    """All cases, both sides, behind each operation."""

    def __init__(self, header: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        self.differences: set[Difference] = set()
        self.stated: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.left_out: set[str] = set()
        for row in rows:
            case = Case(wrap(row), header["passphrases"][row["network"]])
            assert case.batch.quarantine == []
            for effects in row["expected_effects"]:
                assert effects["matches_hash"] == row["hash"]
                self._add(row["case"], case, effects["expected"])

    def _add(self, name: str, case: Case, expected: list[Any] | None) -> None:
        if expected is None:
            return
        count = case.batch.transactions[0].operation_count
        stated = Stated(expected, case.passphrase, case.has_events)
        self._compare(name, stated, Told(case, count))
        self.stated += stated.counts
        self.left_out |= stated.left_out
        for number in range(1, 1 if stated.only_fees else count):
            stated = Stated(expected[:number], case.passphrase, case.has_events)
            self._compare(name, stated, Told(case, number))

    def _compare(self, name: str, stated: Stated, told: Told) -> None:
        wanted = set(stated.facts)
        if not stated.only_fees:
            wanted |= told.facts.keys() - told.silent
        for fact in wanted:
            self.told[fact[0]] += fact in told.facts
            ours, theirs = told.facts.get(fact, MISSING), stated.facts.get(fact, MISSING)
            if ours != theirs:
                self.differences.add(Difference(name, fact, theirs, ours))


@pytest.fixture(scope="module")
def comparison(corpus: Callable[[str], list[dict[str, Any]]]) -> Comparison:
    header, *rows = corpus("effects-cases")
    return Comparison(header, rows)


def test_every_difference_is_explained(comparison: Comparison) -> None:
    assert comparison.differences - EXPLAINED.keys() == set()


def test_every_explained_difference_is_there(comparison: Comparison) -> None:
    assert EXPLAINED.keys() - comparison.differences == set()


def test_every_type_of_effect_is_compared_or_not_ours(comparison: Comparison) -> None:
    assert comparison.stated == {
        "accountCreated": 1,
        "accountCredited": 47,
        "accountDebited": 42,
        "accountFlagsUpdated": 1,
        "accountHomeDomainUpdated": 2,
        "accountInflationDestinationUpdated": 1,
        "accountRemoved": 1,
        "accountSignerCreated": 1,
        "accountSignerRemoved": 1,
        "accountSignerUpdated": 2,
        "accountSponsorshipCreated": 1,
        "accountSponsorshipRemoved": 1,
        "accountThresholdsUpdated": 2,
        "assetBurned": 4,
        "assetMinted": 3,
        "contractCodeRestored": 2,
        "contractCodeUploaded": 4,
        "contractCreated": 6,
        "contractDataCreated": 46,
        "contractDataRestored": 18,
        "contractDataUpdated": 13,
        "contractEvent": 20,
        "contractMetrics": 3,
        "contractRestored": 2,
        "feeCharged": 12,
        "setTtl": 19,
        "signerSponsorshipCreated": 1,
        "signerSponsorshipRemoved": 1,
        "trustlineAuthorizationUpdated": 1,
        "trustlineCreated": 4,
        "trustlineRemoved": 3,
        "trustlineUpdated": 1,
    }
    assert comparison.left_out == NOT_OURS.keys()


def test_the_rows_tell_every_kind_of_fact(comparison: Comparison) -> None:
    assert comparison.told == {
        "account": 10,
        "account sponsor": 10,
        "balance": 66,
        "balance behind the fee": 4,
        "burned": 3,
        "code": 0,  # the two uploads are of code that was there
        "contract": 4,
        "created": 14,
        "data": 26,
        "domain": 2,
        "event": 21,
        "fee bid": 4,
        "fee charged": 4,
        "flags": 8,
        "in instance": 22,
        "inflationDestination": 2,
        "live until": 19,
        "minted": 3,
        "moved": 70,
        "resource fee": 3,
        "restored": 2,
        "signer": 18,
        "signer sponsor": 16,
        "thresholds": 2,
        "trust line": 33,
    }
