"""An HTTP proxy in front of Prefect's server that loses the answers to final states of flows."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_OF_THE_CONNECTION = {"host", "connection", "content-length", "accept-encoding"}


@contextmanager
def losing_proxy(server: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve until the block ends; gives the address, and what was lost: states by path.

    The server gets the request all the same. Of each run only the first answer is lost.
    """
    lost: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in _OF_THE_CONNECTION
            }
            request = urllib.request.Request(
                server + self.path, body or None, headers, method=self.command
            )
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content = answer.read()
            if self._is_lost(body):
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"] or "")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _is_lost(self, body: bytes) -> bool:
            is_of_flow = "/flow_runs/" in self.path and self.path.endswith("/set_state")
            state = json.loads(body)["state"] if is_of_flow else {"type": ""}
            if state["type"] not in ("COMPLETED", "FAILED") or self.path in lost:
                return False
            lost[self.path] = state["name"]
            return True

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}", lost
        finally:
            proxy.shutdown()
