"""Keys of operations: who may call them, how often, and until when.

OpenAPI has no keys for most of this, so their names begin with `x-`. `flask api diff` compares them
with those of the last release.
"""

from typing import Any

from project.core.web.endpoints.deprecation import Deprecation
from project.core.web.endpoints.endpoint_spec import EndpointSpec


def access_keys(spec: EndpointSpec) -> dict[str, Any]:
    """Return the keys with the access rule and the rate limit of an operation."""
    allow = spec.allow
    wanted = {
        'x-permission': allow.permission,
        'x-scope': allow.scope,
        'x-fresh': allow.fresh,
        # Owners of the resource need no permission.
        'x-own': allow.own is not None,
        'x-rate-limit': spec.limit,
    }
    return {
        'security': [] if allow.kind == 'public' else [{'bearer': []}],
        **{name: value for name, value in wanted.items() if value},
    }


def access_text(spec: EndpointSpec) -> str:
    """Return sentences about the access rule and the rate limit of an operation."""
    allow = spec.allow
    if allow.kind == 'public':
        sentences = ['Requires no login.']
    else:
        sentences = [
            'Requires a login of the last minutes.' if allow.fresh else 'Requires a login.'
        ]
        if allow.own:
            sentences.append(f'For other users, also requires the permission `{allow.permission}`.')
        elif allow.permission:
            sentences = [f'Requires the permission `{allow.permission}`.']
        scope = f'API keys need the scope `{allow.scope}`.'
        sentences.append(scope if allow.scope else 'API keys are not accepted.')
    if spec.limit:
        sentences.append(f'Rate limit: {spec.limit}.')
    return ' '.join(sentences)


def deprecation_keys(
    deprecation: Deprecation, successor: str | None, description: str
) -> dict[str, Any]:
    """Return the keys of a deprecated operation. Its description begins with the dates.

    :param successor: the path of the successor.
    :param description: the description without the dates.
    """
    text = f'Deprecated since {deprecation.since}. It may be removed from {deprecation.sunset} on.'
    found: dict[str, Any] = {
        'deprecated': True,
        'x-deprecated-since': str(deprecation.since),
        'x-sunset': str(deprecation.sunset),
    }
    if successor:
        found['x-successor'] = successor
        text += f' Use `{successor}` instead.'
    return {**found, 'description': f'{text}\n\n{description}'}
