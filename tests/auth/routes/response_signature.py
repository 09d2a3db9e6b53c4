"""Status, headers and body of a response, for comparison with another response."""


def response_signature(response):
    """Return status, headers and body of a response, without the request id."""
    headers = {name: value for name, value in response.headers if name != 'X-Request-ID'}
    return response.status_code, headers, response.data
