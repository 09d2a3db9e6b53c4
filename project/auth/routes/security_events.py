"""Security events over HTTP."""

from project.auth import service
from project.auth.schemas import EventSchema
from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.pagination import ListQuery, sort_by

from . import blueprint


class EventListQuery(ListQuery):
    """Orders of the list of events."""

    sort = sort_by('created_at')


@blueprint.get('/events')
@endpoint(
    allow=authenticated(),
    query=EventListQuery,
    returns=EventSchema,
    many=True,
    errors=[CursorInvalid],
)
def event_list(page: PageRequest) -> Page:
    """List what happened to your account, newest first: logins, changes, and what was refused."""
    return service.list_events(current_principal(), page)
