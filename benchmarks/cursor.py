"""Print the cursor behind one user, made by the service's own paging on its own database.

Walking there over HTTP would take twenty thousand pages. Run as a process of its own, with the
environment of the service.
"""

import sys


def main() -> None:
    from project import create_app
    from project.core.database.keyset_pagination import PageRequest
    from project.users.models import USERS, User

    user_id = int(sys.argv[1])
    with create_app().app_context():
        # A page of one that begins at the user: its end is the place that is wanted.
        behind = User.filtered(frozenset()).where(User.id >= user_id)
        page = USERS.page(behind, PageRequest(limit=1))
        print(page.next)


if __name__ == '__main__':
    main()
