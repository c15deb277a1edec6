"""greet: tells a provider of messages what to say to whom, in JSON. An example of a sender in Python.

Data: {"text": "the beans are in"}. The provider gets, with the manifest's greeting before the text,
{"to": "lu@example.com", "text": "Hello Lu, the beans are in"}.
"""

import json
from typing import Optional

# What componentize-py makes of the WIT files when it builds this; there are no such files here.
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config, http, pushers
from wit_world.imports.types import (
    Failure_Limited,
    Failure_Permanent,
    Failure_Temporary,
    Message,
    Outcome,
    Outcome_Done,
)


class Sender(exports.Sender):
    def name(self) -> str:
        return "greet"

    def send(self, message: Message) -> Outcome:
        text = text_of(message.data)
        to = recipient(message.pusher)
        if not to.email:
            raise permanent("the recipient has no e-mail address")
        greeting = config.get("greeting") or "Hello"
        body = {"to": to.email, "text": f"{greeting} {to.nickname or to.id}, {text}"}
        headers = [
            ("content-type", "application/json"),
            ("authorization", f"Bearer {required('token')}"),
            # The same for every attempt, so that the provider can see that it has this message already.
            ("idempotency-key", message.id),
        ]
        request = http.Request("POST", required("url"), headers, json.dumps(body).encode(), timeout=None)
        try:
            response = http.send(request)
        except Err as error:
            raise temporary(f"no answer from the provider: {describe(error)}")
        return judge(response)


def text_of(data: str) -> str:
    """The text in a message's data. Data that is not what this sender asks for will not get better."""
    try:
        text = json.loads(data)["text"]
    except (ValueError, KeyError, TypeError):
        text = None
    if not isinstance(text, str):
        raise permanent('the data is not {"text": "…"}')
    return text


def recipient(id: str) -> pushers.Pusher:
    try:
        return pushers.get(id)
    except Err as error:
        if isinstance(error.value, pushers.Error_NotFound):
            raise permanent("the recipient is gone")
        raise temporary(f"the recipient cannot be looked up: {describe(error)}")


def required(key: str) -> str:
    """The value in the manifest. Without it the message waits for whoever mends the manifest."""
    value = config.get(key)
    if not value:
        raise temporary(f"the manifest has no {key} in [config] or [secrets]")
    return value


def judge(response: http.Response) -> Outcome:
    """What a provider's answer means for the message."""
    if 200 <= response.status < 300:
        return Outcome_Done()
    if response.status == 429:
        raise Err(Failure_Limited(retry_after(response)))
    reason = f"the provider answered {response.status}: {response.body[:300].decode(errors='replace')}"
    if response.status == 408 or response.status >= 500:
        raise temporary(reason)
    raise permanent(reason)


def retry_after(response: http.Response) -> Optional[int]:
    """The seconds that the provider asks to wait; None if it says nothing, or a date."""
    value = dict(response.headers).get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None


def temporary(reason: str) -> Err:
    return Err(Failure_Temporary(reason))


def permanent(reason: str) -> Err:
    return Err(Failure_Permanent(reason))


def describe(error: Err) -> str:
    """One of the host's errors, such as `Error_Connect: nobody listens`."""
    return f"{type(error.value).__name__}: {getattr(error.value, 'value', '')}"
