"""No secret of a URL is printed, whoever prints it."""

import pytest

from shards.program.console import say
from shards.urls import without_secrets


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("https://host/a?sig=s3cret", "https://host/a?..."),
        ("https://me:s3cret@host:1/a/b: is not there", "https://...@host:1/a/b: is not there"),
        ("http://me:s3?cr@et@host/a", "http://...@host/a"),
        (
            "403, url=URL('https://host/a?sig=s3cret/%2F+'), again",
            "403, url=URL('https://host/a?...'), again",
        ),
        ("sent on to https://other/x?token=s3cret; again", "sent on to https://other/x?...; again"),
        ("s3:/key:s3cret@bucket/x", "s3:/...@bucket/x"),
        ("--scheduler tcp://127.0.0.1:8786: is lost", "--scheduler tcp://127.0.0.1:8786: is lost"),
        ("see https://example.org/a, then a:b?c", "see https://example.org/a, then a:b?c"),
    ],
)
def test_secrets_are_left_out_and_the_rest_stays(text, printed, capsys):
    assert without_secrets(text) == printed
    say(text)
    assert "s3cret" not in capsys.readouterr().err
