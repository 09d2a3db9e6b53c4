"""What may be allowed about files: everybody their own, nobody another's."""

from project.core.security.permissions import declare

READ = declare('files:read', "See and download one's own files.", everybody=True)
WRITE = declare('files:write', "Upload, change and delete one's own files.", everybody=True)
