"""What schemathesis cannot be told in its configuration."""

import itertools

import schemathesis

NUMBERS = itertools.count()
LENGTH_MAX = 255


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each request an Idempotency-Key of its own: the same one twice names one request."""
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if key and len(key) <= LENGTH_MAX and all("!" <= letter <= "~" for letter in key):
        number = f"-{next(NUMBERS)}"
        case.headers["Idempotency-Key"] = key[: LENGTH_MAX - len(number)] + number
