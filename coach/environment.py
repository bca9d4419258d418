"""Every setting that the environment may give, typed and checked once at start."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
USUAL_NUDGE_MS = 650


class Environment(BaseSettings):
    """What an operator sets; `docs/configuration.md` is the same list in words.

    Raises pydantic's ValidationError at start, naming each variable that is missing or off.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    debug: bool = Field(False, description="Django's debug pages; never in production")
    demo: bool = Field(False, description="Load the demo and its published log-ins")
    secret_key: SecretStr = SecretStr("")
    vault_key: SecretStr = SecretStr("")
    vault_keys_before: SecretStr = Field(SecretStr(""), description="Still opened, never used")
    allowed_hosts: str = Field("", description="Comma-separated host names")
    allowed_origins: str = Field("", description="Comma-separated full origins for sockets")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    data_dir: Path = ROOT / ".data"
    audit_anchors: Path | None = Field(
        None, description="File of the audit's anchors, best on another disk; empty: in data_dir"
    )

    database_url: str = Field("", description="Empty: the embedded PostgreSQL")
    database_name: str = Field("sidecoach", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    database_owner_url: str = Field("", description="Role that migrates; never database_url's")
    vault_database_url: str = Field("", description="Empty: the schema `vault` of database_url")
    vault_database_owner_url: str = ""
    database_pool: int = Field(8, ge=1, le=100, description="Live connections per worker")

    redis_url: str = ""
    triton_url: str = Field("", description="host:port of Triton's gRPC; empty: in process")
    triton_device: Literal["cpu", "gpu"] = Field("gpu", description="What Triton computes on")
    embedding_model: str = ""
    crisis_cards: Path | None = None

    llm_base_url: str = Field("", description="OpenAI-compatible address; empty: playbook only")
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_engine: Literal["compatible", "vllm"] = "compatible"
    llm_context_tokens: int = Field(8192, ge=512)
    llm_tokenizer: str = Field("", description="Path of the model's tokenizer.json")
    llm_structured: bool = Field(True, description="The model server takes a JSON schema")

    keep_drafts_hours: int = Field(24, ge=0, le=720, description="0: no draft is given twice")
    utterances_per_s: float = Field(1.0, gt=0, description="Sustained, by each member")
    utterance_burst: int = Field(5, ge=1, description="At once, by each member")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses or networks that may say whom they speak for"
    )
    sockets_per_user: int = Field(10, ge=1)
    roads_per_worker: int = Field(64, ge=4, le=1000, description="Utterances under way at most")
    memory_limit_mb: int = Field(0, ge=0, description="0: the container's limit, or all there is")

    nudge_ms: int = Field(
        USUAL_NUDGE_MS, ge=50, le=5000, description="Without a clause by then: a passage"
    )
    terminal_ms: int = Field(1300, ge=100, le=10000, description="Every road ends by then")
    store_raw_text: bool = Field(False, description="Never in production: keeps unredacted words")
    otel_exporter_otlp_endpoint: str = Field("", description="Collector; empty: no traces")
    metrics_token: SecretStr = Field(SecretStr(""), description="Bearer token of whoever scrapes")
    log_level: str = "INFO"
    log_json: bool = True
    language_code: Literal["en", "de", "ar"] = "en"

    @model_validator(mode="after")
    def refuse_one_role_for_all(self) -> Self:
        """Whoever owns a table may switch its row-level security off."""
        if self.database_url and self.database_owner_url in ("", self.database_url):
            raise ValueError("DATABASE_OWNER_URL must be set, and name another role")
        if self.vault_database_url and self.vault_database_owner_url in (
            "",
            self.vault_database_url,
        ):
            raise ValueError("VAULT_DATABASE_OWNER_URL must be set, and name another role")
        return self

    @model_validator(mode="after")
    def refuse_unsafe_production(self) -> Self:
        """Outside demo and debug there is no default for a secret, and no shortcut."""
        if self.debug or self.demo:
            return self
        named = {
            "SECRET_KEY": self.secret_key.get_secret_value(),
            "VAULT_KEY": self.vault_key.get_secret_value(),
            "ALLOWED_HOSTS": self.allowed_hosts,
        }
        missing = [name for name, value in named.items() if not value]
        if missing:
            raise ValueError(
                f"{', '.join(missing)} must be set (or DEMO=1 for a demonstration on this machine)"
            )
        if self.store_raw_text:
            raise ValueError("STORE_RAW_TEXT is for development and is refused in production")
        return self

    @property
    def patience(self) -> float:
        """How many times their usual time the road's stages may take: more where `NUDGE_MS` is."""
        return max(1.0, self.nudge_ms / USUAL_NUDGE_MS)

    @property
    def embedded_database(self) -> bool:
        return not self.database_url
