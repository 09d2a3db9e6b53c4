"""The parts of a response that must not differ between two requests."""


def response_signature(response):
    """Return the status, headers and body of a response, except the request id."""
    headers = {name: value for name, value in response.headers if name != 'X-Request-ID'}
    return response.status_code, headers, response.data
