"""Base class of the factories of all features."""

from typing import Any

from factory.alchemy import SQLAlchemyModelFactory

from project.core.database.session import atomic, db


class ModelFactory(SQLAlchemyModelFactory):
    """A factory that commits each row.

    A request has its own session, which finds only committed rows.
    """

    class Meta:
        abstract = True
        sqlalchemy_session_factory = lambda: db.session  # noqa: E731
        sqlalchemy_session_persistence = 'flush'

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        with atomic():
            return super()._create(model_class, *args, **kwargs)
