"""Print the cursor of the page after a user, computed by the pagination of the service.

Over HTTP, a client would have to read twenty thousand pages to get this cursor. The module runs in
a separate process with the environment of the service.
"""

import sys


def main() -> None:
    from project import create_app
    from project.core.database.keyset_pagination import PageRequest
    from project.users.models import USERS, User

    user_id = int(sys.argv[1])
    with create_app().app_context():
        # The cursor at the end of a page that contains only this user.
        behind = User.filtered(frozenset()).where(User.id >= user_id)
        page = USERS.page(behind, PageRequest(limit=1))
        print(page.next)


if __name__ == '__main__':
    main()
