"""Each setting: what it takes, where it arrives, what it refuses."""

from pathlib import Path

import pytest

from jotgate.setting_table import SETTINGS
from jotgate.settings import load
from tests.test_settings import GOOD_SECRET, OTHER_SECRET, complaints


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No jotgate.toml of the directory that the tests run in."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ISSUER", "https://auth.example.com", "https://auth.example.com"),
        ("ISSUER", "https://example.com/tenant", "https://example.com/tenant"),
        ("ISSUER", "http://localhost:9000", "http://localhost:9000"),
        ("ISSUER", "http://[::1]:9000", "http://[::1]:9000"),
        ("PREFIX", "", ""),
        ("PREFIX", "/api/v1/auth", "/api/v1/auth"),
        ("AUDIENCE", "gym, pool", ("gym", "pool")),
        ("ALGORITHM", "eddsa", "EdDSA"),
        ("ACCESS_TTL", "10", 10),
        ("ACCESS_TTL", "24h", 86400),
        ("ACCESS_TTL", "15m", 900),
        ("REFRESH_TTL", "400d", 400 * 86400),
        ("LOGIN_IDENTIFIERS", "username", ("username",)),
        ("LOGIN_IDENTIFIERS", "username email", ("username", "email")),
        ("REGISTRATION", "closed", "closed"),
        ("PASSWORD_MIN_LENGTH", "8", 8),
        ("RESPONSE_NAMES", "camel", "camel"),
        ("EXTRA_CLAIMS", "", ()),
        ("EXTRA_CLAIMS", "role,name", ("role", "name")),
        ("TRANSPORT", "both", "both"),
        ("REVOCATION", "off", False),
    ],
)
def test_a_setting_reaches_the_policy(variable: str, text: str, value: object) -> None:
    settings = load({f"JOTGATE_{variable}": text})

    assert getattr(settings.policy, variable.lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("PORT", "0", "port", 0),
        ("PORT", "65535", "port", 65535),
        ("DATA_DIR", "/var/lib/jotgate", "data_dir", Path("/var/lib/jotgate")),
        ("DATABASE_URL", "sqlite:////srv/a.db", "database_path", Path("/srv/a.db")),
        ("DATABASE_URL", "sqlite:///a.db", "database_path", Path("a.db")),
        ("DATABASE_URL", "sqlite:///:memory:", "database_path", None),
        ("SECRET", GOOD_SECRET, "secret", GOOD_SECRET.encode()),
        ("SECRET_PREVIOUS", OTHER_SECRET, "secret_previous", (OTHER_SECRET.encode(),)),
        ("HS256_SECRET", GOOD_SECRET, "hs256_secret", GOOD_SECRET.encode()),
        ("FEED_TOKEN", "feed-token-0123456789", "feed_token", "feed-token-0123456789"),
        ("CORS_ORIGINS", "https://app.example.com, http://localhost:3000", "cors_origins",
         ("https://app.example.com", "http://localhost:3000")),
        ("DATABASE_URL", "sqlite:///a.db", "postgres", None),
        ("DATABASE_URL", "postgresql://db/jotgate", "postgres", "postgresql://db/jotgate"),
        ("DATABASE_URL", "postgresql://db/jotgate", "database_path", None),
        ("DATABASE_URL", "postgresql:///jotgate?host=/run/postgresql", "postgres", "postgresql:///jotgate?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://db-1:5432,db-2:5433/x", "postgres", "postgresql://db-1:5432,db-2:5433/x"),
        ("DATABASE_URL", "postgresql://ada:hunter2@db/x", "database_name", "postgresql://...@db/x"),
        ("DATABASE_URL", "postgresql://db/x?password=hunter2&user=ada", "database_name", "postgresql://db/x?password=...&user=ada"),
        ("DATABASE_POOL", "25", "database_pool", 25),
        ("DATABASE_PGBOUNCER", "on", "database_pgbouncer", True),
        ("REDIS_URL", "redis://localhost:6379/0", "redis_url", "redis://localhost:6379/0"),
        ("REDIS_URL", "rediss+cluster://a:1", "redis_url", "rediss+cluster://a:1"),
        ("NATS_URL", "nats://a:4222, tls://b:4222", "nats_url", ("nats://a:4222", "tls://b:4222")),
        ("WORKERS", "8", "workers", 8),
        ("LOG_FORMAT", "JSON", "log_format", "json"),
        ("LOG_LEVEL", "debug", "log_level", "debug"),
    ],
)  # fmt: skip
def test_a_setting_reaches_the_process(variable: str, text: str, attribute: str, value: object) -> None:
    settings = load({f"JOTGATE_{variable}": text})

    assert getattr(settings, attribute) == value


def test_trusted_proxies_are_networks() -> None:
    settings = load({"JOTGATE_TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.7, ::1"})

    assert settings.trusted_proxies == ("10.0.0.0/8", "192.168.1.7/32", "::1/128")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ISSUER", "http://auth.example.com"),  # plain http is for loopback
        ("ISSUER", "https://auth.example.com/"),
        ("ISSUER", "https://auth.example.com?x=1"),
        ("ISSUER", "https://auth.example.com#x"),
        ("ISSUER", "https://ada:pw@auth.example.com"),
        ("ISSUER", "https://"),
        ("ISSUER", "https://a:99999"),
        ("ISSUER", "auth.example.com"),
        ("ISSUER", "http://localhost.example.com"),
        ("HOST", ""),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "eighty"),
        ("PORT", "٣"),  # digits, but not ours
        ("DATABASE_URL", "jotgate.db"),
        ("DATABASE_URL", "mysql://db/jotgate"),
        ("DATABASE_URL", "postgresql://"),
        ("DATABASE_URL", "postgresql://db:99999/jotgate"),
        ("DATABASE_URL", "postgresql://db-1:5432,db-2:0/jotgate"),
        ("DATABASE_POOL", "0"),
        ("DATABASE_PGBOUNCER", "perhaps"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://"),
        ("NATS_URL", "http://localhost"),
        ("NATS_URL", ""),
        ("SECRET", "short"),
        ("SECRET", "a" * 64),  # long and no secret
        ("SECRET_PREVIOUS", "short"),
        ("HS256_SECRET", "x" * 31),
        ("FEED_TOKEN", "short"),
        ("FEED_TOKEN", "with spaces in it, and long"),
        ("PROFILE", "modern"),
        ("PREFIX", "auth"),
        ("PREFIX", "/auth/"),
        ("PREFIX", "/.well-known/x"),
        ("PREFIX", "/revocations"),
        ("AUDIENCE", ""),
        ("ALGORITHM", "none"),
        ("ALGORITHM", "HS257"),
        ("ACCESS_TTL", "9"),
        ("ACCESS_TTL", "86401"),
        ("ACCESS_TTL", "15 minutes"),
        ("REFRESH_TTL", "401d"),
        ("REFRESH_GRACE", "301"),
        ("REFRESH_RECOVERY", "8d"),
        ("REFRESH", "on"),
        ("SESSIONS", "maybe"),
        ("LOGIN_IDENTIFIERS", ""),
        ("LOGIN_IDENTIFIERS", "phone"),
        ("REGISTRATION", "ajar"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("PASSWORD_MIN_LENGTH", "129"),
        ("RESPONSE_NAMES", "snake"),
        ("EXTRA_CLAIMS", "password_hash"),
        ("TRANSPORT", "carrier pigeon"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/path"),
        ("TRUSTED_PROXIES", "everybody"),
        ("WORKERS", "0"),
        ("WORKERS", "257"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_what_is_not_allowed_is_a_complaint_that_names_the_setting(variable: str, text: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.variable == f"JOTGATE_{variable}")

    (complaint,) = complaints({setting.variable: text})

    assert complaint.startswith(setting.variable)
    assert setting.allowed in complaint
