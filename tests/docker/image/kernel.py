"""Asks the notebook server on loopback to run code in a kernel, and prints what the code prints.

The code says who it is, in the ways a notebook would: through Python and through a shell.
"""

import asyncio
import json
import sys
import uuid

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

SERVER = "127.0.0.1:8888"
AUTHORIZATION = {"Authorization": "token scene"}
CODE = """
import getpass, os, pwd
print(getpass.getuser())
print(pwd.getpwuid(os.getuid()).pw_name)
!whoami
"""


async def started():
    """Waits until the server answers, which takes seconds, and returns its version."""
    for _ in range(300):
        try:
            answer = await AsyncHTTPClient().fetch(f"http://{SERVER}/api", headers=AUTHORIZATION)
            return json.loads(answer.body)["version"]
        except (ConnectionRefusedError, HTTPClientError):
            await asyncio.sleep(0.4)
    sys.exit("the server does not answer")


async def execute(kernel):
    """Runs the code in a kernel, and returns what it prints."""
    request = HTTPRequest(f"ws://{SERVER}/api/kernels/{kernel}/channels", headers=AUTHORIZATION)
    socket = await websocket_connect(request)
    message = {
        "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3",
                   "username": "", "session": uuid.uuid4().hex},
        "parent_header": {},
        "metadata": {},
        "channel": "shell",
        "content": {"code": CODE, "silent": False, "store_history": False,
                    "user_expressions": {}, "allow_stdin": False, "stop_on_error": True},
    }
    await socket.write_message(json.dumps(message))
    printed = ""
    while True:
        text = await socket.read_message()
        if text is None:
            sys.exit("the server closed the connection")
        reply = json.loads(text)
        if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        kind, content = reply["header"]["msg_type"], reply["content"]
        if kind == "stream":
            printed += content["text"]
        elif kind == "error":
            sys.exit("\n".join([printed, *content["traceback"]]))
        elif kind == "status" and content["execution_state"] == "idle":
            return printed


async def main():
    """Starts a kernel, and runs the code there once."""
    print("server", await started(), file=sys.stderr)
    answer = await AsyncHTTPClient().fetch(
        f"http://{SERVER}/api/kernels", method="POST", body="{}", headers=AUTHORIZATION)
    printed = await execute(json.loads(answer.body)["id"])
    print(printed.replace("\r", ""), end="")


IOLoop.current().run_sync(main, timeout=300)
