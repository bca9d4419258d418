from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from coach.cadence.models import Firing, TriggerRule
from consent.admin import KeptAdmin
from safety.classifiers import ACTS
from safety.classifiers.heads import EKMAN


class TriggerRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    acts = forms.MultipleChoiceField(
        label=_("Heard as one of"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(act, act.replace("_", " ")) for act in ACTS],
    )  # fmt: skip
    emotions = forms.MultipleChoiceField(
        label=_("In the mood of one of"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=[(name, name) for name in EKMAN],
        help_text=_("Only for members who let their feelings be read; others never match."),
    )  # fmt: skip

    class Meta:
        model = TriggerRule
        fields = (
            "playbook", "number", "name", "enabled", "on", "acts", "emotions", "phases",
            "min_words", "after_s", "share_over", "share_under", "then", "to", "activity",
            "every_s",
        )  # fmt: skip


@admin.register(TriggerRule)
class TriggerRuleAdmin(ModelAdmin):
    form = TriggerRuleForm
    list_display = ["name", "playbook", "number", "on", "then", "to", "enabled"]
    list_filter = ["playbook", "on", "enabled"]
    fieldsets = [
        (None, {"fields": ["playbook", "number", "name", "enabled", "on"]}),
        (_("When something was said"), {"fields": ["acts", "emotions", "min_words"]}),
        (_("By time"), {"fields": ["after_s", "share_over", "share_under", "to", "every_s"]}),
        (_("In both"), {"fields": ["phases", "then", "activity"]}),
    ]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        # One by one: each renews the rooms that know it.
        for rule in queryset:
            rule.delete()


@admin.register(Firing)
class FiringAdmin(KeptAdmin):
    list_display = ["rule", "session", "at"]
