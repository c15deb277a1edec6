"""What schemathesis should not hold against the API: cases that mean something else than their generator thinks."""

import schemathesis

# Longest names in bytes of UTF-8. JSON Schema counts characters, so a schema cannot say it.
LIMITS = {"pusher": 222, "sender": 180, "tag": 180, "name": 255}


@schemathesis.hook
def filter_query(context, query):
    """An empty list is sent as `from=`, and a value that is empty is one that is not given."""
    return not query or not any(value == [] for value in query.values())


@schemathesis.hook
def filter_case(context, case):
    return not (any_text_is_a_form(case) or breaks_a_header(case) or too_long_in_bytes_only(case))


def any_text_is_a_form(case):
    """A form cannot have the wrong type: `AAA` is the field of that name, and unknown fields are passed over."""
    return case.media_type == "application/x-www-form-urlencoded" and not isinstance(case.body, dict)


def breaks_a_header(case):
    """The name of a part of a multipart body stands in a header, where control characters cannot be."""
    if case.media_type != "multipart/form-data" or not isinstance(case.body, dict):
        return False
    return any(ord(char) < 32 or ord(char) == 127 for name in case.body for char in name)


def too_long_in_bytes_only(case):
    body = case.body if isinstance(case.body, dict) else {}
    given = {**body, **(case.path_parameters or {})}
    return any(
        len(given[name]) <= limit < len(given[name].encode(errors="surrogatepass"))
        for name, limit in LIMITS.items()
        if isinstance(given.get(name), str)
    )
