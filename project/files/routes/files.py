"""Routes of files: metadata, upload, trash and usage."""

from typing import NotRequired, TypedDict
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from werkzeug.datastructures import FileStorage

from project.core.database.keyset_pagination import CursorInvalid, Page, PageRequest
from project.core.web.endpoints.access import authenticated, current_principal
from project.core.web.endpoints.endpoint import endpoint
from project.core.web.requests.fields import CommaSeparated, Text, UploadedFile
from project.core.web.requests.pagination import ListQuery, sort_by
from project.core.web.responses.etags import version_precondition
from project.files import service
from project.files.errors import FileChanged, FileNotFound, FileTooLarge, NameInvalid, QuotaExceeded
from project.files.permissions import READ, WRITE
from project.files.rows import FileRow, OwnedFileRow, UsageReport
from project.files.schemas import FileName, StorageUsageSchema, StoredFileSchema

from . import blueprint
from .form_uploads import open_upload, written_upload


def tag() -> Text:
    """Return a schema field for a tag: 1 to 32 characters, no whitespace, no comma."""
    return Text(min=1, max=32, validate=[validate.Regexp(r'^[^\s,]+$')])


class FileListQuery(ListQuery):
    """Query of the list of files: filters and sort orders."""

    name = FileName(min=1, metadata={'description': 'Only files with this name.'})
    tag = fields.Str(
        validate=validate.Length(1, 32), metadata={'description': 'Only files with this tag.'}
    )
    type = fields.Str(
        validate=validate.Length(1, 127), metadata={'description': 'Only files of this media type.'}
    )
    trashed = fields.Bool(
        metadata={'description': 'Whether the files in the trash are listed instead of the others.'}
    )
    sort = sort_by('name', 'size', 'created_at')


class FileCreateQuery(Schema):
    """Query of an upload without a form: the name of the file."""

    name = FileName(metadata={'description': 'The file name.'})


class FileCreateParameters(TypedDict):
    """The values of a `FileCreateQuery`."""

    name: NotRequired[str]


class FileCreateForm(Schema):
    """The multipart form of a new file."""

    file = UploadedFile(
        required=True, stream_factory=open_upload, metadata={'type': 'string', 'format': 'binary'}
    )
    name = FileName(metadata={'description': 'The file name; by default that of the form.'})
    tags = CommaSeparated(tag(), max_words=20, metadata={'description': 'Tags, comma-separated.'})


class FileCreateFormData(TypedDict):
    """The values of a `FileCreateForm`."""

    file: FileStorage
    name: NotRequired[str]
    tags: list[str]


class FilePatchRequest(Schema):
    """Changes to the metadata of a file."""

    name = FileName(min=1, metadata={'description': 'The file name.', 'example': 'report.pdf'})
    tags = fields.List(
        tag(),
        validate=validate.Length(max=20),
        metadata={'description': 'All tags of the file.', 'example': ['work', 'draft']},
    )


class FilePatchBody(TypedDict):
    """The values of a `FilePatchRequest`."""

    name: NotRequired[str]
    tags: NotRequired[list[str]]


class FileDeleteQuery(Schema):
    """Query of a deletion: whether the file is deleted permanently."""

    permanent = fields.Bool(
        load_default=False,
        metadata={'description': 'Whether the file is deleted instead of moved to the trash.'},
    )


class FileDeleteParameters(TypedDict):
    """The values of a `FileDeleteQuery`."""

    permanent: bool


class FilesView(MethodView):
    """Routes `/files`: the files of the user."""

    init_every_request = False

    @endpoint(
        allow=authenticated(READ), query=FileListQuery, returns=StoredFileSchema, many=True,
        errors=[CursorInvalid],
    )  # fmt: skip
    def get(self, page: PageRequest) -> Page[FileRow]:
        """List your files, or with `trashed=true` the files in your trash."""
        return service.list_files(current_principal().user_id, page)

    @endpoint(
        allow=authenticated(WRITE), form=FileCreateForm, query=FileCreateQuery, consumes='*/*',
        returns=StoredFileSchema, code=201, errors=[FileTooLarge, QuotaExceeded, NameInvalid],
        limit='600/minute', max_body_setting='FILES_MAX_SIZE', location=('.file', 'file_id'),
        versioned=True,
    )  # fmt: skip
    def post(self, query: FileCreateParameters, form: FileCreateFormData | None) -> OwnedFileRow:
        """Upload a file.

        Send a multipart form with `file`, or the bytes themselves as the body, with `?name=`. The
        service streams them to the disk. After the response 201, the file survives a power cut.
        """
        name, owner_id = query.get('name'), current_principal().user_id
        if form is None:
            return service.store_file(
                owner_id, request.stream, name=name, length=request.content_length,
                declared_type=request.mimetype,
            )  # fmt: skip
        upload = form['file']
        name = form.get('name') or name or upload.filename
        return service.store_upload(
            owner_id,
            written_upload(upload),
            name=name,
            tags=form['tags'],
            declared_type=upload.mimetype,
        )


class FileView(MethodView):
    """Routes `/files/<file_id>`: one file of the user."""

    init_every_request = False

    @endpoint(
        allow=authenticated(READ), returns=StoredFileSchema, versioned=True, errors=[FileNotFound]
    )
    def get(self, file_id: UUID) -> OwnedFileRow:
        """Show the metadata of one of your files, even if it is in the trash."""
        return service.get_file(current_principal().user_id, file_id)

    @endpoint(
        allow=authenticated(WRITE), body=FilePatchRequest, returns=StoredFileSchema, versioned=True,
        limit='600/minute',
        errors=[FileNotFound, FileChanged, NameInvalid],
    )  # fmt: skip
    def patch(self, file_id: UUID, body: FilePatchBody) -> OwnedFileRow:
        """Change the `name`, the `tags` or both of one of your files."""
        owner_id = current_principal().user_id
        return service.update_file(owner_id, file_id, body, expected=version_precondition())

    @endpoint(
        allow=authenticated(WRITE), query=FileDeleteQuery, versioned=True,
        errors=[FileNotFound, FileChanged],
    )  # fmt: skip
    def delete(self, file_id: UUID, query: FileDeleteParameters) -> None:
        """Move a file to the trash, or with `permanent=true` delete it permanently."""
        remove = service.delete_file if query['permanent'] else service.trash_file
        remove(current_principal().user_id, file_id, expected=version_precondition())


blueprint.add_url_rule('', view_func=FilesView.as_view('files'))
blueprint.add_url_rule('/<uuid:file_id>', view_func=FileView.as_view('file'))


@blueprint.post('/<uuid:file_id>/restore')
@endpoint(
    allow=authenticated(WRITE), returns=StoredFileSchema, versioned=True, limit='600/minute',
    errors=[FileNotFound, FileChanged], idempotent=True,
)  # fmt: skip
def file_restore(file_id: UUID) -> OwnedFileRow:
    """Restore a file from the trash."""
    return service.restore_file(
        current_principal().user_id, file_id, expected=version_precondition()
    )


@blueprint.delete('/trash')
@endpoint(allow=authenticated(WRITE))
def trash_delete() -> None:
    """Empty your trash. The files in it disappear immediately.

    A task deletes their content in batches; your usage decreases with each batch.
    """
    service.empty_trash(current_principal().user_id)


@blueprint.get('/usage')
@endpoint(allow=authenticated(READ), returns=StorageUsageSchema)
def usage_show() -> UsageReport:
    """Show how many bytes you use, trash included, and your quota."""
    return service.get_usage(current_principal().user_id)
