"""The blueprint that every topic of files adds its routes to."""

from flask import Blueprint

blueprint = Blueprint('files', 'project.files', url_prefix='/files')
