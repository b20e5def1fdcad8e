"""What listens on a port of this machine, for the messages about ports that are in use."""

from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2.0
MAX_NAME = 60


def what_listens(port: int) -> str:
    """Say what answers on a port of 127.0.0.1; empty: nothing listens there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/")
        name = connection.getresponse().getheader("Server", "")
    except ConnectionRefusedError:
        return ""
    except (OSError, HTTPException):
        return "a program that is no HTTP server"
    finally:
        connection.close()
    shown = "".join(one for one in name[:MAX_NAME] if one.isprintable())
    return f"an HTTP server ({shown})" if shown else "an HTTP server"


def in_use(port: int, instead: str) -> str:
    """Write the message for a port that cannot be had; `instead` names the way to another one."""
    return f"port {port} is in use by {what_listens(port) or 'another program'}; {instead}"
