"""The configuration: what it needs, what it refuses, and that its password is seen nowhere."""

import pytest

from actlab.core.errors import ActlabError
from actlab.mail.addresses import checked, same
from actlab.mail.settings import EXAMPLE, read_settings

WORD = "swordfish-123"
BASIC = 'host = "localhost"\nsecurity = "none"\nfrom = "News <news@example.org>"\nbase = "http://127.0.0.1:8765/"\n'


def write(tmp_path, text, mode=0o600):
    path = tmp_path / "mail.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_example_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MAIL_PASSWORD", WORD)
    found = read_settings(write(tmp_path, EXAMPLE, 0o644))
    assert (found.host, found.port, found.security, found.user, found.password) == (
        "smtp.example.org",
        587,
        "starttls",
        "news",
        WORD,
    )
    assert str(found.sender) == "actlab <news@example.org>"
    assert found.base == "http://127.0.0.1:8765"
    assert WORD not in repr(found)


def test_the_help_shows_the_example():
    from actlab.cli.digest_flags import EXAMPLES

    assert all(line.partition("#")[0].strip() in EXAMPLES for line in EXAMPLE.splitlines())


def test_the_environment_names_the_file(tmp_path, monkeypatch):
    monkeypatch.delenv("ACTLAB_MAIL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_settings() is None
    monkeypatch.setenv("ACTLAB_MAIL", str(write(tmp_path, BASIC + 'database = "here.sqlite"\n')))
    assert read_settings().database == tmp_path / "here.sqlite"
    monkeypatch.setenv("ACTLAB_MAIL", str(tmp_path / "none.toml"))
    with pytest.raises(ActlabError, match="There is no mail configuration"):
        read_settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("host", "is no TOML"),
        (BASIC + 'prt = "x"', "did you mean 'port'"),
        (BASIC + 'port = "x"', "port should be a number"),
        (BASIC + "port = true", "port should be a number"),
        (BASIC + "port = 70000", "1 to 65535"),
        (BASIC + "timeout = 0", "timeouts"),
        (BASIC + 'user = "me"', "no password"),
        (BASIC + 'user = "me"\npassword_env = "NO_SUCH_NAME"', "The environment has no NO_SUCH_NAME"),
        (BASIC + 'password = "a"\npassword_env = "B"', "one too many"),
        (BASIC.replace('"none"', '"ssl"'), "security"),
        (BASIC.replace('"localhost"', '"far.example.org"') + f'user = "me"\npassword = "{WORD}"', "unencrypted"),
        (BASIC.replace("http:", "ftp:"), "base"),
        (BASIC.replace("8765/", "8765/x"), "base"),
        (BASIC.replace("news@example.org", "news"), "mail address"),
        (BASIC.replace("News <", r"News\r\nBcc: a@b.example <"), "from is written"),
        (BASIC.replace('host = "localhost"', ""), "host is missing"),
        (BASIC.replace("localhost", "local host"), "host"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(ActlabError, match=sentence) as error:
        read_settings(write(tmp_path, text))
    assert WORD not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_password_that_others_can_read_is_refused(tmp_path):
    text = BASIC + f'user = "me"\npassword = "{WORD}"\n'
    with pytest.raises(ActlabError, match="others can read"):
        read_settings(write(tmp_path, text, 0o644))
    assert read_settings(write(tmp_path, text)).password == WORD


def test_a_broken_file_does_not_show_its_password(tmp_path):
    with pytest.raises(ActlabError) as error:
        read_settings(write(tmp_path, f'password = "{WORD}\n'))
    assert WORD not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("address", ["a@example.org", "a.b+c@sub.example.org", " a@example.org ", "a@bücher.example"])
def test_addresses(address):
    assert "@" in checked(address)
    assert same(address.upper()) == same(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@example.org",
        "a@example",
        "a@exa mple.org",
        "a b@example.org",
        "a@example..org",
        ".a@example.org",
        "a..b@example.org",
        "a@-example.org",
        "a@1.2.3.4",
        "a@[127.0.0.1]",
        '"a"@example.org',
        "a@example.org\r\nBcc: b@example.org",
        "a\r\n@example.org",
        "a@example.org,b@example.org",
        "A <a@example.org>",
        "é@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b." * 130 + "org",
        "a\0@example.org",
    ],
)
def test_what_is_no_address(address):
    with pytest.raises(ActlabError, match="no mail address"):
        checked(address)
