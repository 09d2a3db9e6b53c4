"""Status, headers and body of a response, to compare it with another."""


def response_signature(response):
    """Return all that an answer tells, but the id that is another each time."""
    headers = {name: value for name, value in response.headers if name != 'X-Request-ID'}
    return response.status_code, headers, response.data
