"""The blueprint that every topic of users adds its routes to."""

from flask import Blueprint

blueprint = Blueprint('users', 'project.users', url_prefix='/users', template_folder='templates')
