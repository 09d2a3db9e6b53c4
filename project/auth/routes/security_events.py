"""Route that lists security events."""

from project.auth import service
from project.auth.rows import EventRow
from project.auth.schemas import SecurityEventSchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.pagination import ListQuery, sort_by

from . import blueprint


class EventListQuery(ListQuery):
    """Query of the list of security events."""

    sort = sort_by('created_at')


@blueprint.get('/events')
@endpoint(
    allow=authenticated(),
    query=EventListQuery,
    returns=SecurityEventSchema,
    many=True,
    errors=[CursorInvalid],
)
def event_list(page: PageRequest) -> Page[EventRow]:
    """List the security events of your account, including failed attempts, newest first."""
    return service.list_events(current_principal(), page)
