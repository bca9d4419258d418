"""The playbook desk: bring a file in, see what it would change, compare versions, try a search."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coach.api.base import hub_of, run_live
from coach.desk.acting import organisation
from coach.desk.words import Change, Piece, changes, pieces
from rag import lifecycle, sources, uploads
from rag.errors import RetrievalError
from rag.models import Entry, Playbook, PlaybookVersion, TextSearch, Upload
from rag.retrieval import MODES, Filters, Found, Passage

PREVIEWED, COMPARED = 50, 200
FOUND, SEARCH_S = 8, 5.0


class UploadForm(forms.Form):
    playbook = forms.CharField(
        max_length=160,
        label=_("Playbook"),
        help_text=_("One that is there gets a new draft; another name makes a new playbook."),
    )
    file = forms.FileField(label=_("File"))

    def clean_file(self) -> "UploadedFile[bytes]":
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > uploads.MAX_BYTES:
            most = uploads.MAX_BYTES // 2**20
            raise forms.ValidationError(
                gettext("More than %(most)s MiB: import it from the command line.") % {"most": most}
            )
        return file


class TryForm(forms.Form):
    q = forms.CharField(max_length=500, label=_("What somebody says"))
    language = forms.ChoiceField(
        choices=TextSearch.choices, required=False, initial="en", label=_("Language")
    )


@dataclass(frozen=True)
class Leg:
    """One way to search, and what it found."""

    mode: str
    found: Found

    @property
    def rows(self) -> list[tuple[Passage, list[tuple[str, str]]]]:
        """Each passage with its figures, named."""
        return [(passage, list(_figures(passage))) for passage in self.found.passages]

    @property
    def times(self) -> list[tuple[str, str]]:
        return [(name, f"{value:.1f} ms") for name, value in self.found.times_ms.items()]


def urls() -> list[URLPattern]:
    """To be served inside the administration, which asks for the second factor."""
    view = admin.site.admin_view
    return [
        path("playbooks/", view(desk), name="playbook_desk"),
        path("playbooks/uploads/<uuid:key>/", view(upload), name="playbook_upload"),
        path("playbooks/uploads/<uuid:key>/state/", view(state), name="playbook_upload_state"),
        path("playbooks/<uuid:key>/compare/", view(compare), name="playbook_compare"),
        path("playbooks/<uuid:key>/search/", view(search), name="playbook_search"),
        path("playbooks/<uuid:key>/<int:number>/export/", view(export), name="playbook_export"),
    ]


def desk(request: HttpRequest) -> HttpResponse:
    """All playbooks with their versions, the uploads of these days, and the way in for a file."""
    _allow(request, "rag.view_playbook")
    may_change = request.user.has_perm("rag.change_playbook")
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST":
        _allow(request, "rag.change_playbook")
        if form.is_valid():
            file = form.cleaned_data["file"]
            made = uploads.begin(
                organisation(),
                form.cleaned_data["playbook"].strip(),
                str(file.name),
                file.read(),
                by=request.user.get_username(),
            )
            return redirect("admin:playbook_upload", key=made.id)
    playbooks = Playbook.objects.select_related("live_version").prefetch_related("versions")
    return _page(
        request, "playbooks", _("Playbooks"),
        form=form, may_change=may_change, playbooks=playbooks, uploads=Upload.objects.all()[:20],
        endings=", ".join(sources.READERS),
    )  # fmt: skip


def upload(request: HttpRequest, key: UUID) -> HttpResponse:
    """What a file would bring, before anything of it is stored; and the button that stores it."""
    _allow(request, "rag.change_playbook")
    row = get_object_or_404(Upload, id=key)
    if request.method == "POST":
        if "discard" in request.POST:
            row.delete()
            messages.info(request, gettext("Discarded; nothing of it was stored."))
            return redirect("admin:playbook_desk")
        uploads.store(row, by=request.user.get_username())
        return redirect("admin:playbook_upload", key=row.id)
    entries = uploads.read_entries(row)
    held = [entry for entry in entries if entry.quarantine]
    masked = [entry for entry in entries if entry.redactions and not entry.quarantine]
    plain = [entry for entry in entries if not entry.redactions and not entry.quarantine]
    return _page(
        request, "upload", str(row),
        upload=row, lost=uploads.is_lost(row), counts=uploads.compared(row),
        entries=len(entries), held=held[:PREVIEWED], held_count=len(held),
        masked_count=sum(entry.redactions for entry in entries),
        preview=[(entry, pieces(entry.body)) for entry in (masked + plain)[:PREVIEWED]],
        previewed=PREVIEWED,
    )  # fmt: skip


def state(request: HttpRequest, key: UUID) -> JsonResponse:
    """How far an upload has got."""
    _allow(request, "rag.change_playbook")
    row = get_object_or_404(Upload, id=key)
    return JsonResponse(
        {
            "state": row.state,
            "stage": gettext(row.stage) if row.stage else "",
            "done": row.done,
            "total": row.total,
            "lost": uploads.is_lost(row),
        }
    )


def compare(request: HttpRequest, key: UUID) -> HttpResponse:
    """Two versions of a playbook, word by word."""
    _allow(request, "rag.view_playbook")
    playbook = get_object_or_404(Playbook.objects.select_related("live_version"), id=key)
    versions = list(playbook.versions.order_by("-number"))
    old = _chosen(request, "old", versions, playbook.live_version)
    new = _chosen(request, "new", versions, versions[0] if versions else None)
    change = lifecycle.difference(old, new) if old and new else None
    return _page(
        request, "compare", gettext("Compare versions of %(name)s") % {"name": playbook},
        playbook=playbook, versions=versions, old=old, new=new, change=change,
        entries=list(_compared(old, new, change)) if old and new and change else [],
        most=COMPARED,
    )  # fmt: skip


def search(request: HttpRequest, key: UUID) -> HttpResponse:
    """What each way to search finds for a sentence, side by side, and why."""
    _allow(request, "rag.view_playbook")
    playbook = get_object_or_404(Playbook.objects.select_related("live_version"), id=key)
    form = TryForm(request.GET or None, initial={"language": "en"})
    legs: list[Leg] = []
    problem = ""
    if form.is_valid():
        chosen = form.cleaned_data["language"] or TextSearch.ENGLISH
        filters = Filters(language=(chosen,))
        try:
            legs = [_tried(request, playbook, form.cleaned_data["q"], m, filters) for m in MODES]
        except RetrievalError as exc:
            problem = str(exc) or exc.reason
    return _page(
        request, "search", gettext("Try a search in %(name)s") % {"name": playbook},
        playbook=playbook, form=form, legs=legs, problem=problem,
    )  # fmt: skip


def export(request: HttpRequest, key: UUID, number: int) -> StreamingHttpResponse:
    """A version as an import takes it, redacted as it is stored."""
    _allow(request, "rag.view_playbook")
    playbook = get_object_or_404(Playbook, id=key)
    version = get_object_or_404(PlaybookVersion, playbook=playbook, number=number)
    rows = list(lifecycle.export(version))
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    name = f"{playbook.slug}-{number}.jsonl"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _tried(request: HttpRequest, playbook: Playbook, said: str, mode: Any, filters: Filters) -> Leg:
    found = run_live(
        hub_of(request).engines.retrieval.search,
        said,
        organisation_id=playbook.organisation_id,
        playbook_id=playbook.id,
        limit=FOUND,
        mode=mode,
        filters=filters,
        timeout_s=SEARCH_S,
    )
    return Leg(mode, found)


def _figures(passage: Passage) -> Iterator[tuple[str, str]]:
    why = passage.explanation
    if why.exact:
        yield gettext("word for word"), why.exact
    if why.bm25 is not None:
        yield "BM25", f"{why.bm25:.2f}" + (f" (#{why.lexical_rank})" if why.lexical_rank else "")
    if why.cosine is not None:
        yield (
            gettext("cosine"),
            f"{why.cosine:.3f}" + (f" (#{why.dense_rank})" if why.dense_rank else ""),
        )
    if why.lexical_share is not None:
        yield gettext("share of the words"), f"{why.lexical_share:.2f}"
    for name, value in why.boosts.items():
        yield name, f"+{value:.3f}"
    yield gettext("score"), f"{passage.score:.3f}"


@dataclass(frozen=True)
class Compared:
    """An entry that one version has otherwise than the other."""

    key: str
    title: list[Piece]
    body: list[Piece]
    change: Change


def _compared(
    old: PlaybookVersion, new: PlaybookVersion, change: lifecycle.Difference
) -> Iterator[Compared]:
    before, after = (
        {entry.key: entry for entry in version.entries.all()} for version in (old, new)
    )
    nothing = Entry(title="", body="", example="")
    kinds = ((Change.CHANGED, change.changed), (Change.ADDED, change.added),
             (Change.REMOVED, change.removed))  # fmt: skip
    keys = [(key, kind) for kind, named in kinds for key in named]
    for key, kind in keys[:COMPARED]:
        was, is_now = before.get(key, nothing), after.get(key, nothing)
        yield Compared(
            key, changes(was.title, is_now.title), changes(_said(was), _said(is_now)), kind
        )


def _said(entry: Entry) -> str:
    return f"{entry.body}\n\n{entry.example}".strip()


def _chosen(
    request: HttpRequest,
    name: str,
    versions: list[PlaybookVersion],
    default: PlaybookVersion | None,
) -> PlaybookVersion | None:
    wanted = request.GET.get(name, "")
    return next((v for v in versions if str(v.number) == wanted), default)


def _allow(request: HttpRequest, right: str) -> None:
    if not request.user.has_perm(right):
        raise PermissionDenied


def _page(request: HttpRequest, name: str, title: Any, **values: Any) -> HttpResponse:
    return render(
        request, f"desk/{name}.html", {**admin.site.each_context(request), "title": title, **values}
    )
