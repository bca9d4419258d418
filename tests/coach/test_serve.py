"""What whoever starts a server is told."""

import socket

import pytest
from django.core.management import CommandError, call_command

from coach.live.server import free_port
from coach.management.commands.serve import require_free


def test_a_port_that_is_taken_is_named_before_anything_else_is_done():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}.*PORT"):
            call_command("serve", port=port)


def test_a_free_port_is_taken_without_a_word():
    require_free("127.0.0.1", free_port())
