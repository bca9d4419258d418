"""Whether a connection's server is still there, without asking it."""

import select

import psycopg
from psycopg.pq.abc import PGconn

# What a server may tell an idle connection, each read at a time, before it is taken for gone.
LAST_WORDS = 4


def is_open(pgconn: PGconn) -> bool:
    """As far as the socket tells: a server that ends says why, and only then hangs up."""
    socket = select.poll()
    try:
        socket.register(pgconn.socket, select.POLLIN)
        for _ in range(LAST_WORDS):
            if not socket.poll(0):
                return True
            pgconn.consume_input()
    except psycopg.OperationalError:
        pass
    return False
