from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "coach.gateway"
    label = "gateway"
    verbose_name = "Models and budgets"
    default_auto_field = "django.db.models.BigAutoField"
