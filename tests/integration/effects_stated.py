"""What the other parser states of a transaction, as facts: the left side of the comparison.

A fact is a tuple that begins with its kind and goes on with whom it is about; its
value is the last that the effects of the transaction say.
"""

import base64
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from stellar_sdk import Asset, StrKey

Effect = dict[str, Any]
Fact = tuple[str, ...]
Facts = dict[Fact, Any]
Statement = tuple[Fact, Any]

INSTANCE = "AAAAFA=="  # SCV_LEDGER_KEY_CONTRACT_INSTANCE
REMOVED = "removed"

#: Effects that no table of ours has a counterpart for.
NOT_OURS = {
    **dict.fromkeys(("offerCreated", "offerUpdated", "offerRemoved", "trade"), "offers"),
    **dict.fromkeys(
        (
            *("liquidityPoolCreated", "liquidityPoolUpdated", "liquidityPoolRemoved"),
            *("liquidityPoolDeposited", "liquidityPoolWithdrew"),
        ),
        "pools",
    ),
    **dict.fromkeys(
        (
            *("claimableBalanceCreated", "claimableBalanceRemoved"),
            *("claimableBalanceSponsorshipCreated", "claimableBalanceSponsorshipRemoved"),
        ),
        "claimable balances",
    ),
    **dict.fromkeys(
        (
            *("dataEntryCreated", "dataEntryRemoved", "dataSponsorshipCreated"),
            *("dataSponsorshipRemoved", "offerSponsorshipCreated", "offerSponsorshipRemoved"),
            *("trustlineSponsorshipCreated", "trustlineSponsorshipRemoved"),
        ),
        "data entries, and sponsors of anything but accounts and signers",
    ),
    "inflation": "an operation, not a state; what it pays is credited",
    "contractInvoked": "calls are in the diagnostic events, which are not read",
    "contractError": "calls are in the diagnostic events, which are not read",
}


class Stated:
    """The facts of one transaction's effects, and how many each type of effect gave.

    Attributes:
        facts: By what they are about.
        counts: Facts by the type of effect.
        left_out: Types of effects that are not ours.
        only_fees: A list without operations, which says nothing but the fee.
    """

    def __init__(self, expected: list[Any], passphrase: str, has_events: bool) -> None:
        self._passphrase = passphrase
        self._has_events = has_events
        self._events = 0
        self.facts: Facts = {}
        self.counts: Counter[str] = Counter()
        self.left_out: set[str] = set()
        self.only_fees = not any(isinstance(operation, list) for operation in expected)
        for operation in expected:
            for effect in operation if isinstance(operation, list) else [operation]:
                self._take(effect)

    def _take(self, effect: Effect) -> None:
        kind = effect["type"]
        if kind in NOT_OURS:
            self.left_out.add(kind)
            return
        for fact, value in self._read(kind, effect):
            self.counts[kind] += 1
            summed = fact[0] in ("moved", "minted", "burned")
            self.facts[fact] = self.facts.get(fact, 0) + value if summed else value

    def _read(self, kind: str, effect: Effect) -> Iterator[Statement]:
        if kind in ("accountCredited", "accountDebited"):
            yield from self._balance(effect, 1 if kind == "accountCredited" else -1)
        elif kind in ("assetMinted", "assetBurned"):
            if self._has_events:  # no entry of the ledger shows it
                fact = kind.removeprefix("asset").lower(), self._token(effect["asset"])
                yield fact, int(effect["amount"])
        elif kind.startswith("trustline"):
            if effect.get("kind") != "poolShares":
                yield self._trustline(kind, effect)
        elif kind.startswith(("account", "signer")):
            yield from _account(kind, effect)
        elif kind.startswith("contractData"):
            yield from _data(kind, effect)
        elif kind == "contractEvent":
            self._events += 1
            content = (effect["contract"], *effect["rawTopics"], effect["rawData"])
            yield ("event", str(self._events)), content
        else:
            yield from _REST[kind](effect)
        if "ttl" in effect and "keyHash" in effect:
            yield ("live until", effect["keyHash"]), effect["ttl"]

    def _balance(self, effect: Effect, sign: int) -> Iterator[Statement]:
        if StrKey.is_valid_liquidity_pool(effect["asset"]):
            return
        about = effect["source"], self._token(effect["asset"])
        yield ("moved", *about), sign * int(effect["amount"])
        if "balance" in effect:
            yield ("balance", *about), int(effect["balance"])

    def _trustline(self, kind: str, effect: Effect) -> Statement:
        holder = effect.get("trustor", effect["source"])
        flags = effect["flags"]
        state = REMOVED if kind == "trustlineRemoved" else (bool(flags & 1), bool(flags & 4))
        return ("trust line", holder, self._token(effect["asset"])), state

    def _token(self, asset: str) -> str:
        """Give the contract id of "XLM", "CODE-ISSUER-TYPE" or a contract."""
        if asset == "XLM":
            return Asset.native().contract_id(self._passphrase)
        code, _, issuer = asset.partition("-")
        return Asset(code, issuer[:-2]).contract_id(self._passphrase) if issuer else code


def _account(kind: str, effect: Effect) -> Iterator[Statement]:
    source = effect["source"]
    account = effect.get("account", source)
    if kind in ("accountCreated", "accountRemoved"):
        yield ("account", account), kind.removeprefix("account").lower()
    elif kind.startswith("accountSponsorship"):
        yield ("account sponsor", account), effect.get("sponsor")
    elif kind.startswith("signerSponsorship"):
        yield ("signer sponsor", account, effect["signer"]), effect.get("sponsor")
    elif kind.startswith("accountSigner"):
        yield ("signer", source, effect["signer"]), effect["weight"]
    else:
        setting = {
            "accountHomeDomainUpdated": "domain",
            "accountThresholdsUpdated": "thresholds",
            "accountInflationDestinationUpdated": "inflationDestination",
            "accountFlagsUpdated": "flags",
        }[kind]
        value = effect[setting]
        yield (setting, source), tuple(value) if isinstance(value, list) else value


def _data(kind: str, effect: Effect) -> Iterator[Statement]:
    what = kind.removeprefix("contractData").lower()
    value = REMOVED if what == REMOVED else effect["value"]
    owner, key = effect["owner"], effect["key"]
    if effect["durability"] == "instance" and key != INSTANCE:
        yield ("in instance", owner, key), value
        return
    durability = effect["durability"].replace("instance", "persistent")
    yield ("data", owner, key, durability), value
    if what in ("created", "restored"):
        yield (what, effect["keyHash"]), True


def _created(effect: Effect) -> Iterator[Statement]:
    if effect["kind"] == "fromAsset":
        code, issuer, _ = effect["asset"].split("-")
        yield ("contract", effect["contract"]), f"{code}:{issuer}"
    else:
        yield ("contract", effect["contract"]), effect["wasmHash"]


def _uploaded(effect: Effect) -> Iterator[Statement]:
    code = base64.b64decode(effect["wasm"])
    yield ("code", effect["wasmHash"]), (sha256(code).hexdigest(), len(code))
    yield ("created", effect["keyHash"]), True


def _restored(effect: Effect) -> Iterator[Statement]:
    yield ("restored", effect["keyHash"]), True


def _fee(effect: Effect) -> Iterator[Statement]:
    yield ("fee bid", effect["source"]), int(effect["bid"])
    yield ("fee charged", effect["source"]), int(effect["charged"])
    yield ("balance behind the fee", effect["source"]), int(effect["balance"])


def _metrics(effect: Effect) -> Iterator[Statement]:
    for part, stroops in effect["fee"].items():
        yield ("resource fee", part), stroops


_REST = {
    "contractCreated": _created,
    "contractRestored": lambda effect: (*_created(effect), *_restored(effect)),
    "contractCodeUploaded": _uploaded,
    "contractCodeRestored": _restored,
    "setTtl": lambda effect: (),
    "feeCharged": _fee,
    "contractMetrics": _metrics,
}
