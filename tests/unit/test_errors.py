import pickle

import pytest

from sorobanflow import errors

SAMPLES = [
    errors.RpcUnavailableError("no connection", 2.0),
    errors.RpcTimeoutError("no answer"),
    errors.UnknownHostError("no such name"),
    errors.RpcInternalError("handler failed"),
    errors.RateLimitedError("slow down", 2.5),
    errors.NodeBehindError(10, 9),
    errors.CircuitOpenError("getEvents", 3.0, "no connection"),
    errors.StalledError(300.0, "ledger 7 to close"),
    errors.DatabaseUnavailableError("no connection"),
    errors.PrefectUnavailableError("http://127.0.0.1:4200", "ConnectError", "start it"),
    errors.ConfigurationError("bad"),
    errors.RpcRequestError("getEvents", -32602, "limit"),
    errors.RpcProtocolError("not an answer"),
    errors.AnswerTooLargeError("getEvents", 10),
    errors.ClientStoppedError("getEvents"),
    errors.WrongNetworkError("a", "b"),
    errors.LedgerOutsideRetentionError(5, 10),
    errors.LedgerProofError(9, "results", "they have another hash", "FFFFFFF6--9.xdr.zst"),
    errors.LedgerMissingError(64, 127, "FFFFFFBF--64-127.xdr.zst"),
    errors.LakeError("HTTP 403"),
    errors.ArchiveError("another file"),
    errors.SchemaError("behind"),
    errors.DatabaseRefusesError("no space", "its disk is full"),
    errors.MassFailureError("9 of 10"),
    errors.DecodeError("bad XDR"),
    errors.WrongHashError("ab" * 32, "cd" * 32),
]
GROUPS = {
    errors.SorobanflowError,
    errors.RetriableError,
    errors.EndpointError,
    errors.FatalError,
    errors.DataError,
}


def _leaves(kind: type[Exception]) -> set[type[Exception]]:
    return {kind} | {leaf for child in kind.__subclasses__() for leaf in _leaves(child)}


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_error_pickles_with_its_message(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_every_error_class_is_sampled() -> None:
    ours = {kind for kind in _leaves(errors.SorobanflowError) if kind.__module__ == errors.__name__}
    assert ours - GROUPS == {type(error) for error in SAMPLES}


def test_tree_in_the_docstring_names_every_class() -> None:
    assert errors.__doc__ is not None
    for kind in _leaves(errors.SorobanflowError):
        if kind.__module__ == errors.__name__:
            assert kind.__name__ in errors.__doc__


def test_answer_too_large_error_names_the_setting_to_raise() -> None:
    message = str(errors.AnswerTooLargeError("getEvents", 10))
    assert "raise max_response_mib of the stellar-rpc block" in message


def test_retention_error_names_both_ledgers() -> None:
    message = str(errors.LedgerOutsideRetentionError(5, 10))
    assert "ledger 5 " in message
    assert "oldest ledger 10" in message
