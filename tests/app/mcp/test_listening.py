"""The socket of the server over HTTP: answers leave at once."""

from __future__ import annotations

import asyncio
import socket

from trialwright.app.mcp.server import listening


def test_answers_do_not_wait_for_an_acknowledgement() -> None:
    """A connection has Nagle's algorithm off, which would hold an answer's end back for 40 ms."""

    async def nagle_off() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listening("127.0.0.1", 0) as door:
            async with await asyncio.start_server(served, sock=door):
                _, writer = await asyncio.open_connection(*door.getsockname())
                option = await found
                writer.close()
                await writer.wait_closed()
        return option

    assert asyncio.run(nagle_off()) != 0
