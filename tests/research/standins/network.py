"""An agent that asks a server which rate to take."""

import socket
import sys
from pathlib import Path

rate = ""
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5) as server:
        rate = server.recv(100).decode().strip()
except OSError as error:
    print("nobody there:", error)
if rate:
    script = Path("train.py")
    script.write_text(script.read_text().replace("RATE = 0.5", f"RATE = {rate}"))
