"""What reading a form costs: its time grows with its bytes, whatever they are."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from calls import BOUNDARY, FORM, form

from adapters.http.multipart import MAX_HEADER_BYTES, MAX_PARAMETERS, MAX_PARTS, form_parts
from pipeline import InvalidRequest

MARK = f"--{BOUNDARY}"
END = f"\r\n{MARK}--\r\n".encode()


def with_disposition(value: str) -> bytes:
    return f"{MARK}\r\nContent-Disposition: {value}\r\n\r\nx".encode() + END


# each takes the number of repetitions; what the standard library's reader took is at its worst
HOSTILE: dict[str, Callable[[int], tuple[str, bytes]]] = {
    "an open quote and semicolons": lambda n: (FORM, with_disposition('x; name="' + ";" * n)),
    "many parameters": lambda n: (FORM, with_disposition("x" + "; a=b" * n)),
    "an open quote and backslashes": lambda n: (FORM, with_disposition('x; name="' + "\\" * n)),
    "escaped quotes": lambda n: (FORM, with_disposition('x; name="' + '\\"' * n)),
    "many headers of a part": lambda n: (
        FORM,
        f"{MARK}\r\n".encode() + b"a: b\r\n" * n + b"\r\nx" + END,
    ),
    "many empty headers": lambda n: (FORM, f"{MARK}\r\n".encode() + b"\r" * n + END),
    "parameters of the form": lambda n: (f"{FORM}{'; a=b' * n}", END),
    "quotes of the form": lambda n: (f'multipart/form-data; boundary="{";" * n}', END),
    "nearly boundaries": lambda n: (
        FORM,
        form({}, {"image": ("a", f"\r\n{MARK[:-1]}".encode() * n)}),
    ),
    "dashes": lambda n: (FORM, b"-" * n),
    "line breaks": lambda n: (FORM, form({}, {"image": ("a", b"\r\n" * n)})),
    "parts": lambda n: (FORM, form({f"a{number}": "x" for number in range(n // 100)}, {})),
}


def cpu_s(content_type: str, body: bytes) -> float:
    """The least of three: what else this machine does is not counted."""
    seconds = []
    for _ in range(3):
        began_s = time.thread_time()
        with suppress(InvalidRequest):
            form_parts(content_type, body)
        seconds.append(time.thread_time() - began_s)
    return min(seconds)


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_time_grows_with_the_bytes_and_no_faster(kind: str) -> None:
    small = cpu_s(*HOSTILE[kind](50_000))
    large = cpu_s(*HOSTILE[kind](400_000))
    assert large < 24 * small + 0.005, f"8 times the bytes took {large / small:.0f} times as long"
    assert large < 0.5


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, with_disposition('form-data; name="' + "a" * MAX_HEADER_BYTES + '"')),
        (FORM, with_disposition("form-data; name=a" + "; b=c" * MAX_PARAMETERS)),
        (FORM, with_disposition('form-data; name="a')),
        (FORM, with_disposition("form-data; name=a; b")),
        (FORM, with_disposition("form-data; name*=utf-8''a")),
        (FORM + "; a=b" * MAX_PARAMETERS, END),
        (FORM + "; a=" + "b" * MAX_HEADER_BYTES, END),
        ("multipart/form-data; boundary*=utf-8''a", b"--a--"),
        ("multipart/form-data; boundary*" + "0" * 5000 + "=a", b"--a--"),
        (FORM, form({f"a{number}": "x" for number in range(MAX_PARTS + 1)}, {})),
    ],
)
def test_what_is_over_a_limit_is_refused_by_name(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        form_parts(content_type, body)


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ("form-data; name=a", "a", None),
        ('form-data; name="a"', "a", None),
        ('form-data;name="a";filename="b.jpg"', "a", "b.jpg"),
        ('form-data ; NAME = "a b" ; filename = c.jpg ;', "a b", "c.jpg"),
        (r'form-data; name="a\"b"; filename="c\\d"', 'a"b', r"c\d"),
        ('form-data; name="a"; filename="ends in a backslash\\"', "a", "ends in a backslash\\"),
        ('form-data; name="照片"; filename="照片; x=y.jpg"', "照片", "照片; x=y.jpg"),
        ('form-data; name="a"; name="b"; filename*=utf-8\'\'c', "a", None),
        ('form-data; name=""', "", None),
    ],
)
def test_names_are_read_as_browsers_and_tools_write_them(
    disposition: str, name: str, filename: str | None
) -> None:
    (part,) = form_parts(FORM, with_disposition(disposition))
    assert (part.name, part.filename, part.data) == (name, filename, b"x")


def test_what_stands_before_and_behind_a_form_is_passed_over() -> None:
    body = b"a preamble\r\n" + form({"a": "x"}, {}) + b"an epilogue\r\n" + form({"b": "y"}, {})
    assert [part.name for part in form_parts(FORM, body)] == ["a"]
