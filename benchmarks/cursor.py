"""Print the cursor of the list page that begins after a given user.

The pagination of the service computes the cursor. Over HTTP, a client would have to read twenty
thousand pages to get it. The module runs in a separate process with the environment of the service.
"""

import sys


def main() -> None:
    from project import create_app
    from project.core.database.keyset_pagination import PageRequest
    from project.users.models import USERS, User

    user_id = int(sys.argv[1])
    with create_app().app_context():
        # This page contains only the given user, so its `next` cursor begins after this user.
        behind = User.filtered(frozenset()).where(User.id >= user_id)
        page = USERS.page(behind, PageRequest(limit=1))
        print(page.next)


if __name__ == '__main__':
    main()
