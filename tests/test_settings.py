"""Settings: sources, readers, profiles, and every complaint at once."""

from pathlib import Path

import pytest

from jotgate.core.policy import PROFILES, policy_for
from jotgate.errors import SettingsError
from jotgate.setting_table import SETTINGS
from jotgate.settings import Settings, load

GOOD_SECRET = "correct-horse-battery-staple-0123456789"
OTHER_SECRET = "tr0ub4dor-and-three-more-things-98765"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No jotgate.toml but the test's own."""
    monkeypatch.chdir(tmp_path)


def complaints(environ: dict[str, str], **more: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(environ, **more)  # type: ignore[arg-type] # rows of tests hold what they need
    return caught.value.complaints


def test_nothing_set_is_a_working_issuer_on_loopback() -> None:
    settings = load({})

    assert (settings.host, settings.port, settings.policy.issuer) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.policy.audience == ("http://127.0.0.1:8000",)
    assert settings.database_path == Path("jotgate-data/jotgate.db")


def test_all_complaints_come_at_once() -> None:
    environ = {"JOTGATE_PORT": "x", "JOTGATE_PROFILE": "modern", "JOTGATE_ACCESS_TTL": "never", "JOTGATE_PREFX": "/a"}

    found = complaints(environ)

    assert len(found) == 4


def test_a_complaint_shows_the_value() -> None:
    assert complaints({"JOTGATE_PORT": "eighty"})[0].startswith("JOTGATE_PORT = 'eighty': allowed is")


def test_a_complaint_never_shows_a_secret() -> None:
    environ = {f"JOTGATE_{name}": "hunter2 " for name in ("SECRET", "SECRET_PREVIOUS", "HS256_SECRET", "FEED_TOKEN")}
    environ["JOTGATE_REDIS_URL"] = "redis://user:hunter2@cache:0"
    environ["JOTGATE_DATABASE_URL"] = "mysql://user:hunter2@db/x?password=hunter2"
    environ["JOTGATE_NATS_URL"] = "nats://user:hunter2@news:0"

    found = complaints(environ)

    assert len(found) == 7
    assert "hunter2" not in "".join(found)


def test_a_complaint_about_a_list_shows_no_password_either(tmp_path: Path) -> None:
    file = tmp_path / "jotgate.toml"
    file.write_text('nats_url = ["nats://user:hunter2@news:4222", "http://user:hunter2@news"]\n')

    with pytest.raises(SettingsError) as caught:
        load({}, file=file)

    assert "nats://...@news:4222" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_in_repr() -> None:
    environ = {
        "JOTGATE_SECRET": GOOD_SECRET,
        "JOTGATE_HS256_SECRET": OTHER_SECRET,
        "JOTGATE_FEED_TOKEN": "feed-token-0123456789",
    }

    shown = repr(load(environ))

    assert GOOD_SECRET not in shown
    assert OTHER_SECRET not in shown
    assert "feed-token" not in shown


# --- sources


def test_flags_win_over_the_environment_and_the_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 1001\nhost = "127.0.0.2"\nlog_format = "json"\n')

    settings = load(
        {"JOTGATE_PORT": "1002", "JOTGATE_HOST": "127.0.0.3"}, file=file, flags={"port": 1003, "host": None}
    )

    assert (settings.port, settings.host, settings.log_format) == (1003, "127.0.0.3", "json")


def test_the_file_in_the_working_directory_is_read_by_itself(tmp_path: Path) -> None:
    (tmp_path / "jotgate.toml").write_text(
        'cors_origins = ["https://app.example.com"]\nsessions = true\naccess_ttl = "5m"\n'
    )

    settings = load({})

    assert (settings.cors_origins, settings.policy.access_ttl) == (("https://app.example.com",), 300)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("port = ", "is not valid TOML"),
        ("colour = 'green'", "colour in"),
        ("prot = 8000", "did you mean port?"),
        ("port = 80.5", "port in"),
        ("port = true", "port in"),
        ("sessions = 3", "sessions in"),
        ("audience = [1]", "audience in"),
        ("host = 4", "host in"),
        ("prefix = 4", "prefix in"),
    ],
)
def test_a_wrong_file_is_a_complaint(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "jotgate.toml").write_text(text)

    (found,) = complaints({})

    assert complaint in found


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    (complaint,) = complaints({}, file=tmp_path / "nowhere.toml")

    assert "nowhere.toml: cannot be read" in complaint


@pytest.mark.parametrize(
    "setting", [setting for setting in SETTINGS if setting.secret], ids=lambda setting: setting.name
)
def test_every_secret_can_come_from_a_file(tmp_path: Path, setting: object) -> None:
    file = tmp_path / "secret"
    file.write_text(GOOD_SECRET + "\n")
    more = {"JOTGATE_ADMIN_EMAIL": "root@example.com"} if setting.name == "admin_password" else {}  # type: ignore[attr-defined]

    settings = load({f"{setting.variable}_FILE": str(file), **more})  # type: ignore[attr-defined]

    assert getattr(settings, setting.name) in {GOOD_SECRET, GOOD_SECRET.encode(), (GOOD_SECRET.encode(),)}  # type: ignore[attr-defined]


def test_a_secret_file_can_be_named_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(GOOD_SECRET)
    (tmp_path / "jotgate.toml").write_text('secret_file = "s"')

    assert load({}).secret == GOOD_SECRET.encode()


def test_a_secret_file_that_cannot_be_read_is_a_complaint(tmp_path: Path) -> None:
    (complaint,) = complaints({"JOTGATE_SECRET_FILE": str(tmp_path / "gone")})

    assert "JOTGATE_SECRET_FILE" in complaint
    assert "cannot be read" in complaint


def test_a_secret_file_that_is_not_text_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\xff" * 64)

    (complaint,) = complaints({"JOTGATE_SECRET_FILE": str(tmp_path / "s")})

    assert "not UTF-8" in complaint


def test_a_secret_given_twice_is_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(GOOD_SECRET)

    (complaint,) = complaints({"JOTGATE_SECRET": GOOD_SECRET, "JOTGATE_SECRET_FILE": str(tmp_path / "s")})

    assert "give one of the two" in complaint


# --- names


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("JOTGATE_PROFIL", "JOTGATE_PROFILE"),
        ("JOTGATE_ISSUER_", "JOTGATE_ISSUER"),
        ("JOTGATE_ACESS_TTL", "JOTGATE_ACCESS_TTL"),
    ],
)
def test_a_misspelt_name_is_a_complaint(variable: str, meant: str) -> None:
    assert complaints({variable: "x"}) == (f"{variable}: there is no such setting; did you mean {meant}?",)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("JOTGATE_PORT", "tcp://10.0.0.1:8000"),
        ("JOTGATE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("JOTGATE_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("JOTGATE_SERVICE_HOST", "10.0.0.1"),
        ("JOTGATE_SERVICE_PORT", "8000"),
        ("JOTGATE_DB_PORT", "tcp://10.0.0.2:5432"),
        ("JOTGATE_DB_SERVICE_HOST", "10.0.0.2"),
        ("JOTGATE_TEST_VECTORS", "/somewhere"),
        ("JOTGATE_TEST_PORT", "x"),
        ("JOTGATE_SOMETHING_ELSE_ENTIRELY", "x"),
        ("OTHER_PORT", "x"),
    ],
)
def test_names_of_others_are_ignored(variable: str, text: str) -> None:
    assert load({variable: text}) == load({})


# --- settings that contradict each other


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"HOST": "0.0.0.0"}, "JOTGATE_ISSUER: is needed"),
        ({"HOST": "auth.internal"}, "JOTGATE_ISSUER: is needed"),
        ({"SESSIONS": "off", "REFRESH": "rotating"}, "JOTGATE_REFRESH is rotating but SESSIONS is off"),
        ({"REFRESH_TTL": "60", "ACCESS_TTL": "61"}, "JOTGATE_REFRESH_TTL is 60"),
        ({"REFRESH_GRACE": "31", "REFRESH_RECOVERY": "30"}, "JOTGATE_REFRESH_RECOVERY is 30"),
        ({"ADMIN_PASSWORD": "a long enough one"}, "JOTGATE_ADMIN_EMAIL: is needed"),
        ({"ADMIN_EMAIL": "root@example.com"}, "JOTGATE_ADMIN_PASSWORD: is needed"),
    ],
)
def test_a_contradiction_is_a_complaint(environ: dict[str, str], complaint: str) -> None:
    (found,) = complaints({f"JOTGATE_{name}": text for name, text in environ.items()})

    assert complaint in found


@pytest.mark.parametrize(
    "environ",
    [
        {"HOST": "0.0.0.0", "ISSUER": "https://auth.example.com"},
        {"HOST": "::1"},
        {"HOST": "localhost"},
        {"SESSIONS": "off"},
        {"REFRESH": "off"},
        {"REFRESH_TTL": "900", "ACCESS_TTL": "900"},
        {"REFRESH_GRACE": "30", "REFRESH_RECOVERY": "30"},
        {"REFRESH_RECOVERY": "0"},
        {"ADMIN_EMAIL": "root@example.com", "ADMIN_PASSWORD": "a long enough one"},
    ],
)
def test_what_fits_together_is_taken(environ: dict[str, str]) -> None:
    assert isinstance(load({f"JOTGATE_{name}": text for name, text in environ.items()}), Settings)


# --- profiles


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_profile_is_its_defaults(profile: str) -> None:
    assert load({"JOTGATE_PROFILE": profile}).policy == policy_for("http://127.0.0.1:8000", profile)


def test_a_setting_by_itself_wins_over_its_profile() -> None:
    policy = load({"JOTGATE_PROFILE": "camel", "JOTGATE_PREFIX": "/api", "JOTGATE_RESPONSE_NAMES": "oauth"}).policy

    assert (policy.prefix, policy.response_names) == ("/api", "oauth")
    assert policy.login_identifiers == ("username",)


def test_classic_may_refresh_and_then_has_sessions() -> None:
    policy = load({"JOTGATE_PROFILE": "classic", "JOTGATE_REFRESH": "rotating"}).policy

    assert policy.refresh
    assert policy.sessions


def test_grace_and_recovery_reach_the_policy() -> None:
    policy = load({"JOTGATE_REFRESH_GRACE": "10s", "JOTGATE_REFRESH_RECOVERY": "1h"}).policy

    assert (policy.grace, policy.recovery) == (10, 3600)
