"""What retrieval raises: a caller that catches `RetrievalError` has caught all of it."""


class RetrievalError(Exception):
    """Something about a playbook, its index or its search did not succeed."""

    reason = "retrieval"


class EmbedderMissing(RetrievalError):
    """No exported embedding model is there, or its files are not those of its manifest."""

    reason = "embedder_missing"


class EmbedderLate(RetrievalError):
    """The embedding was not there by its deadline."""

    reason = "embedder_late"


class ExportRefused(RetrievalError):
    """An exported model is not close enough to the one it was made from."""

    reason = "export_refused"


class SourceUnreadable(RetrievalError):
    """An import file is not what its name says; the message names the line, never its words."""

    reason = "source_unreadable"


class ImportUnderWay(RetrievalError):
    """The same playbook is being imported by somebody else now."""

    reason = "import_under_way"


class PlaybookMissing(RetrievalError):
    """No such playbook or version in this organisation."""

    reason = "playbook_missing"


class VersionClosed(RetrievalError):
    """A version cannot go from the state it is in to the one asked for."""

    reason = "version_closed"


class SearchUnavailable(RetrievalError):
    """The database gave no answer to a search."""

    reason = "search_unavailable"


class Ungrounded(RetrievalError):
    """A sentence of a draft rests on none of the passages it was given."""

    reason = "ungrounded"
