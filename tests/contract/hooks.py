"""What schemathesis should not hold against the API: cases that mean something else than their generator thinks."""

import json

import schemathesis

# Longest names and contact fields in bytes of UTF-8. JSON Schema counts characters, so a schema cannot say it.
LIMITS = {"pusher": 222, "sender": 180, "tag": 180, "name": 255}
LIMITS |= dict.fromkeys(["email", "nickname", "phoneNumber"], 16384)
NUMBERS = ["from", "size", "createdAt", "schedat"]


@schemathesis.serializer("application/x-ndjson")
def json_lines(context, value):
    """A line for each item of a list, and one for anything else; what is text already goes as it is."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    items = value if isinstance(value, list) else [value]
    return "".join(f"{json.dumps(item)}\n" for item in items).encode()


@schemathesis.hook
def filter_query(context, query):
    return not has_an_empty_number(query)


@schemathesis.hook
def filter_case(context, case):
    is_json = case.media_type == "application/json"
    return not (
        any_text_is_a_form(case)
        or (not is_json and has_an_empty_number(case.body))
        or breaks_a_header(case)
        or too_long_in_bytes_only(case)
    )


def has_an_empty_number(values):
    """`from=`, which an empty list is sent as too, is a number that is not given."""
    return isinstance(values, dict) and any(values.get(name) in ("", []) for name in NUMBERS)


def any_text_is_a_form(case):
    """A form cannot have the wrong type: `AAA` is a field of that name, and a field that is not known is passed over."""
    return case.media_type == "application/x-www-form-urlencoded" and not isinstance(case.body, dict)


def breaks_a_header(case):
    """The name of a part of a multipart body stands in a header, where control characters cannot be."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return False
    return any(ord(char) < 32 or ord(char) == 127 for name in case.body for char in name)


def too_long_in_bytes_only(case):
    bodies = case.body if isinstance(case.body, list) else [case.body]
    given = [body for body in [*bodies, case.path_parameters] if isinstance(body, dict)]
    return any(
        len(body[name]) <= limit < len(body[name].encode(errors="surrogatepass"))
        for body in given
        for name, limit in LIMITS.items()
        if isinstance(body.get(name), str)
    )
