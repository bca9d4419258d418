"""A superuser, who may do to the vault's tables what nobody else can."""

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings

from coach import embedded
from consent import choices, notices


@pytest.fixture(scope="session")
def superuser(database: None) -> Iterator["psycopg.Connection[Any]"]:
    here = embedded.cluster(settings.DATA_DIR)
    url = here.url("postgres", settings.ENV.database_name)
    with psycopg.connect(
        url, autocommit=True, options="-c search_path=vault -c timezone=UTC -c app.organisations=*"
    ) as all_powerful:
        yield all_powerful


@pytest.fixture
def ada(database: None) -> uuid.UUID:
    """Someone with words of her own in the vault, who has allowed nothing yet."""
    notices.seed()
    values = {"display_name": "Ada", "goal": "Ship without staying late", "profile_note": "asthma"}
    return choices.admit(
        uuid.uuid4(), organisation_id=uuid.uuid4(), session_id=uuid.uuid4(), values=values
    ).id
