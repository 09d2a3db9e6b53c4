"""The blueprint that every topic of auth adds its routes to."""

from flask import Blueprint

blueprint = Blueprint('auth', 'project.auth', url_prefix='/auth', template_folder='templates')
