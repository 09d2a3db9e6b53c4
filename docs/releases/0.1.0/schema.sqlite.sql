-- The tables and indexes of all models, for sqlite.

CREATE TABLE auth_events (
    id CHAR(32) NOT NULL,
    user_id INTEGER,
    event_type VARCHAR(48) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    actor VARCHAR(32) NOT NULL,
    ip_address VARCHAR(64) NOT NULL,
    user_agent VARCHAR(255) NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    details TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    CONSTRAINT pk_auth_events PRIMARY KEY (id)
);

CREATE INDEX ix_auth_events_created_at ON auth_events (created_at);

CREATE INDEX ix_auth_events_user_id_created_at ON auth_events (user_id, created_at);

CREATE TABLE auth_pins (
    purpose VARCHAR(32) NOT NULL,
    email VARCHAR(254) NOT NULL,
    email_key VARCHAR(1016) NOT NULL,
    code_hmac BLOB NOT NULL,
    attempts_left INTEGER,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_auth_pins PRIMARY KEY (purpose, email)
);

CREATE INDEX ix_auth_pins_email_key ON auth_pins (email_key);

CREATE INDEX ix_auth_pins_expires_at ON auth_pins (expires_at);

CREATE TABLE auth_registrations (
    username VARCHAR(32) NOT NULL,
    email VARCHAR(254) NOT NULL,
    email_key VARCHAR(1016) NOT NULL,
    name VARCHAR(80) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_auth_registrations PRIMARY KEY (username)
);

CREATE INDEX ix_auth_registrations_email_key_created_at ON auth_registrations (email_key, created_at);

CREATE INDEX ix_auth_registrations_expires_at ON auth_registrations (expires_at);

CREATE TABLE core_deprecated_calls (
    route VARCHAR(255) NOT NULL,
    day DATE NOT NULL,
    user_id INTEGER NOT NULL,
    key_id VARCHAR(36) NOT NULL,
    agent VARCHAR(32) NOT NULL,
    requests BIGINT NOT NULL,
    last_seen DATETIME NOT NULL,
    CONSTRAINT pk_core_deprecated_calls PRIMARY KEY (route, day, user_id, key_id, agent)
);

CREATE INDEX ix_core_deprecated_calls_day ON core_deprecated_calls (day);

CREATE INDEX ix_core_deprecated_calls_user_id ON core_deprecated_calls (user_id);

CREATE TABLE core_dispatcher_ticks (
    id INTEGER NOT NULL,
    ticked_at DATETIME NOT NULL,
    CONSTRAINT pk_core_dispatcher_ticks PRIMARY KEY (id)
);

CREATE TABLE core_idempotency_keys (
    user_id INTEGER NOT NULL,
    route VARCHAR(255) NOT NULL,
    key_hash VARCHAR(64) NOT NULL,
    fingerprint VARCHAR(64) NOT NULL,
    encrypted_response BLOB NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_core_idempotency_keys PRIMARY KEY (user_id, route, key_hash)
);

CREATE INDEX ix_core_idempotency_keys_expires_at ON core_idempotency_keys (expires_at);

CREATE TABLE core_released_objects (
    "key" VARCHAR(255) NOT NULL,
    released_at DATETIME NOT NULL,
    CONSTRAINT pk_core_released_objects PRIMARY KEY ("key")
);

CREATE INDEX ix_core_released_objects_released_at ON core_released_objects (released_at);

CREATE TABLE core_schedules (
    name VARCHAR(128) NOT NULL,
    rule VARCHAR(128) NOT NULL,
    next_run_at DATETIME NOT NULL,
    last_enqueued_at DATETIME,
    CONSTRAINT pk_core_schedules PRIMARY KEY (name)
);

CREATE TABLE core_storage_collections (
    name VARCHAR(16) NOT NULL,
    position VARCHAR(1024) NOT NULL,
    started_at DATETIME,
    finished_at DATETIME,
    paused_until DATETIME,
    examined BIGINT NOT NULL,
    collected BIGINT NOT NULL,
    collected_bytes BIGINT NOT NULL,
    CONSTRAINT pk_core_storage_collections PRIMARY KEY (name)
);

CREATE TABLE core_tasks (
    id CHAR(32) NOT NULL,
    name VARCHAR(128) NOT NULL,
    arguments TEXT NOT NULL,
    encrypted_arguments BLOB,
    unique_key VARCHAR(64),
    subject_id INTEGER,
    queue VARCHAR(8) DEFAULT 'default' NOT NULL,
    slot VARCHAR(32) DEFAULT '' NOT NULL,
    owner_id INTEGER DEFAULT '0' NOT NULL,
    round_number BIGINT,
    state VARCHAR(8) NOT NULL,
    attempts INTEGER NOT NULL,
    rerun_requested BOOLEAN NOT NULL,
    scheduled_at DATETIME NOT NULL,
    available_at DATETIME,
    lease_id CHAR(32),
    last_error TEXT,
    request_id VARCHAR(128) NOT NULL,
    created_at DATETIME NOT NULL,
    started_at DATETIME,
    CONSTRAINT pk_core_tasks PRIMARY KEY (id),
    CONSTRAINT uq_core_tasks_name_unique_key UNIQUE (name, unique_key)
);

CREATE INDEX ix_core_tasks_not_ready ON core_tasks (available_at) WHERE round_number IS NULL;

CREATE INDEX ix_core_tasks_owner ON core_tasks (queue, slot, owner_id, round_number);

CREATE INDEX ix_core_tasks_ready ON core_tasks (queue, slot, round_number, available_at) WHERE round_number IS NOT NULL;

CREATE INDEX ix_core_tasks_state ON core_tasks (state);

CREATE INDEX ix_core_tasks_subject_id ON core_tasks (subject_id);

CREATE INDEX ix_core_tasks_undone ON core_tasks (queue, scheduled_at) WHERE state <> 'dead';

CREATE TABLE core_throttle_counters (
    kind VARCHAR(32) NOT NULL,
    target_hash VARCHAR(64) NOT NULL,
    attempts INTEGER NOT NULL,
    resets_at DATETIME NOT NULL,
    CONSTRAINT pk_core_throttle_counters PRIMARY KEY (kind, target_hash)
);

CREATE INDEX ix_core_throttle_counters_resets_at ON core_throttle_counters (resets_at);

CREATE TABLE core_values (
    name VARCHAR(96) NOT NULL,
    value BLOB NOT NULL,
    changed_at DATETIME NOT NULL,
    CONSTRAINT pk_core_values PRIMARY KEY (name)
);

CREATE TABLE files_blobs (
    sha256 VARCHAR(64) NOT NULL,
    size BIGINT NOT NULL,
    crc32 BIGINT,
    created_at DATETIME NOT NULL,
    CONSTRAINT pk_files_blobs PRIMARY KEY (sha256)
);

CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username VARCHAR(32) NOT NULL,
    email VARCHAR(254) NOT NULL,
    email_key VARCHAR(1016) NOT NULL,
    name VARCHAR(80) NOT NULL,
    bio TEXT NOT NULL,
    status VARCHAR(16) NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    last_login DATETIME,
    avatar VARCHAR(128),
    avatar_size INTEGER,
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT uq_users_email_key UNIQUE (email_key),
    CONSTRAINT uq_users_avatar UNIQUE (avatar)
);

CREATE INDEX ix_users_created_at_id ON users (created_at, id);

CREATE INDEX ix_users_status_id ON users (status, id);

CREATE TABLE users_role_permissions (
    name VARCHAR(32) NOT NULL,
    permissions TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    CONSTRAINT pk_users_role_permissions PRIMARY KEY (name)
);

CREATE TABLE auth_api_keys (
    id CHAR(32) NOT NULL,
    user_id INTEGER NOT NULL,
    name VARCHAR(80) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    prefix VARCHAR(12) NOT NULL,
    scopes TEXT NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME,
    last_used_at DATETIME,
    CONSTRAINT pk_auth_api_keys PRIMARY KEY (id),
    CONSTRAINT fk_auth_api_keys_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_auth_api_keys_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_auth_api_keys_expires_at ON auth_api_keys (expires_at);

CREATE INDEX ix_auth_api_keys_user_id_created_at ON auth_api_keys (user_id, created_at);

CREATE TABLE auth_credentials (
    user_id INTEGER NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    changed_at DATETIME NOT NULL,
    expires_at DATETIME,
    CONSTRAINT pk_auth_credentials PRIMARY KEY (user_id),
    CONSTRAINT fk_auth_credentials_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_auth_credentials_expires_at ON auth_credentials (expires_at);

CREATE TABLE auth_devices (
    id CHAR(32) NOT NULL,
    user_id INTEGER NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    network VARCHAR(64) NOT NULL,
    user_agent VARCHAR(255) NOT NULL,
    created_at DATETIME NOT NULL,
    last_used_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    has_passed_second_factor BOOLEAN NOT NULL,
    CONSTRAINT pk_auth_devices PRIMARY KEY (id),
    CONSTRAINT fk_auth_devices_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_auth_devices_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_auth_devices_expires_at ON auth_devices (expires_at);

CREATE INDEX ix_auth_devices_user_id_last_used_at ON auth_devices (user_id, last_used_at);

CREATE TABLE auth_email_changes (
    user_id INTEGER NOT NULL,
    email VARCHAR(254) NOT NULL,
    email_key VARCHAR(1016) NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_auth_email_changes PRIMARY KEY (user_id),
    CONSTRAINT fk_auth_email_changes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX ix_auth_email_changes_expires_at ON auth_email_changes (expires_at);

CREATE TABLE auth_invitations (
    email_key VARCHAR(1016) NOT NULL,
    email VARCHAR(254) NOT NULL,
    roles TEXT NOT NULL,
    code_hash BLOB NOT NULL,
    invited_by INTEGER,
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_auth_invitations PRIMARY KEY (email_key),
    CONSTRAINT fk_auth_invitations_invited_by_users FOREIGN KEY(invited_by) REFERENCES users (id)
);

CREATE INDEX ix_auth_invitations_expires_at ON auth_invitations (expires_at);

CREATE INDEX ix_auth_invitations_invited_by ON auth_invitations (invited_by);

CREATE TABLE auth_recovery_codes (
    user_id INTEGER NOT NULL,
    code_hash VARCHAR(64) NOT NULL,
    CONSTRAINT pk_auth_recovery_codes PRIMARY KEY (user_id, code_hash),
    CONSTRAINT fk_auth_recovery_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE auth_totp (
    user_id INTEGER NOT NULL,
    encrypted_secret BLOB NOT NULL,
    last_used_timestep INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    confirmed_at DATETIME,
    CONSTRAINT pk_auth_totp PRIMARY KEY (user_id),
    CONSTRAINT fk_auth_totp_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE files (
    id CHAR(32) NOT NULL,
    owner_id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL,
    size BIGINT NOT NULL,
    type VARCHAR(127) NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    current_version INTEGER NOT NULL,
    row_version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    trashed_at DATETIME,
    CONSTRAINT pk_files PRIMARY KEY (id),
    CONSTRAINT fk_files_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id),
    CONSTRAINT fk_files_sha256_files_blobs FOREIGN KEY(sha256) REFERENCES files_blobs (sha256)
);

CREATE INDEX ix_files_owner_id_created_at_id ON files (owner_id, created_at, id);

CREATE INDEX ix_files_owner_id_name_id ON files (owner_id, name, id);

CREATE INDEX ix_files_owner_id_size_id ON files (owner_id, size, id);

CREATE INDEX ix_files_owner_id_type_created_at_id ON files (owner_id, type, created_at, id);

CREATE INDEX ix_files_sha256 ON files (sha256);

CREATE INDEX ix_files_trash ON files (owner_id, trashed_at) WHERE trashed_at IS NOT NULL;

CREATE INDEX ix_files_trashed_at ON files (trashed_at);

CREATE TABLE files_uploads (
    id CHAR(32) NOT NULL,
    owner_id INTEGER NOT NULL,
    reserved BIGINT NOT NULL,
    declared_size BIGINT,
    "offset" BIGINT NOT NULL,
    name VARCHAR(255) NOT NULL,
    tus_metadata TEXT NOT NULL,
    lease_id CHAR(32),
    file_id CHAR(32),
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_files_uploads PRIMARY KEY (id),
    CONSTRAINT fk_files_uploads_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id)
);

CREATE INDEX ix_files_uploads_expires_at ON files_uploads (expires_at);

CREATE INDEX ix_files_uploads_owner_id ON files_uploads (owner_id);

CREATE TABLE files_usage (
    user_id INTEGER NOT NULL,
    used BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    thumbnail_bytes BIGINT DEFAULT '0' NOT NULL,
    quota BIGINT,
    trash_emptied_at DATETIME,
    CONSTRAINT pk_files_usage PRIMARY KEY (user_id),
    CONSTRAINT fk_files_usage_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE users_exports (
    id CHAR(32) NOT NULL,
    user_id INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    task_id CHAR(32),
    storage_key VARCHAR(128),
    size BIGINT,
    sha256 VARCHAR(64),
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    CONSTRAINT pk_users_exports PRIMARY KEY (id),
    CONSTRAINT fk_users_exports_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_users_exports_storage_key UNIQUE (storage_key)
);

CREATE INDEX ix_users_exports_expires_at ON users_exports (expires_at);

CREATE INDEX ix_users_exports_user_id_created_at ON users_exports (user_id, created_at);

CREATE TABLE users_roles (
    user_id INTEGER NOT NULL,
    role VARCHAR(32) NOT NULL,
    CONSTRAINT pk_users_roles PRIMARY KEY (user_id, role),
    CONSTRAINT fk_users_roles_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_users_roles_role_users_role_permissions FOREIGN KEY(role) REFERENCES users_role_permissions (name) ON DELETE CASCADE
);

CREATE INDEX ix_users_roles_role_user_id ON users_roles (role, user_id);

CREATE TABLE auth_sessions (
    id CHAR(32) NOT NULL,
    user_id INTEGER NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    expires_at DATETIME NOT NULL,
    family_hash VARCHAR(64),
    refresh_hash VARCHAR(64),
    previous_token_hash VARCHAR(64),
    previous_refresh_hash VARCHAR(64),
    grace_response_encrypted BLOB,
    refreshed_at DATETIME,
    ip_address VARCHAR(64) NOT NULL,
    user_agent VARCHAR(255) NOT NULL,
    created_at DATETIME NOT NULL,
    authenticated_at DATETIME NOT NULL,
    last_used_at DATETIME NOT NULL,
    refresh_expires_at DATETIME NOT NULL,
    absolute_expires_at DATETIME NOT NULL,
    device_id CHAR(32),
    CONSTRAINT pk_auth_sessions PRIMARY KEY (id),
    CONSTRAINT fk_auth_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id),
    CONSTRAINT uq_auth_sessions_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_auth_sessions_family_hash UNIQUE (family_hash),
    CONSTRAINT fk_auth_sessions_device_id_auth_devices FOREIGN KEY(device_id) REFERENCES auth_devices (id) ON DELETE SET NULL
);

CREATE INDEX ix_auth_sessions_device_id ON auth_sessions (device_id);

CREATE INDEX ix_auth_sessions_previous_token_hash ON auth_sessions (previous_token_hash);

CREATE INDEX ix_auth_sessions_refresh_expires_at ON auth_sessions (refresh_expires_at);

CREATE INDEX ix_auth_sessions_refreshed_at ON auth_sessions (refreshed_at);

CREATE INDEX ix_auth_sessions_user_id_created_at ON auth_sessions (user_id, created_at);

CREATE TABLE files_links (
    id CHAR(32) NOT NULL,
    file_id CHAR(32) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    password_hash VARCHAR(255),
    max_downloads INTEGER,
    downloads INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME,
    CONSTRAINT pk_files_links PRIMARY KEY (id),
    CONSTRAINT fk_files_links_file_id_files FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE,
    CONSTRAINT uq_files_links_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_files_links_expires_at ON files_links (expires_at);

CREATE INDEX ix_files_links_file_id_created_at ON files_links (file_id, created_at);

CREATE TABLE files_tags (
    file_id CHAR(32) NOT NULL,
    tag VARCHAR(32) NOT NULL,
    CONSTRAINT pk_files_tags PRIMARY KEY (file_id, tag),
    CONSTRAINT fk_files_tags_file_id_files FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE
);

CREATE INDEX ix_files_tags_tag_file_id ON files_tags (tag, file_id);

CREATE TABLE files_versions (
    file_id CHAR(32) NOT NULL,
    number INTEGER NOT NULL,
    size BIGINT NOT NULL,
    type VARCHAR(127) NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    declared_type VARCHAR(127),
    scan VARCHAR(16),
    created_at DATETIME NOT NULL,
    CONSTRAINT pk_files_versions PRIMARY KEY (file_id, number),
    CONSTRAINT fk_files_versions_file_id_files FOREIGN KEY(file_id) REFERENCES files (id) ON DELETE CASCADE,
    CONSTRAINT fk_files_versions_sha256_files_blobs FOREIGN KEY(sha256) REFERENCES files_blobs (sha256)
);

CREATE INDEX ix_files_versions_sha256 ON files_versions (sha256);

CREATE INDEX ix_files_versions_unscanned ON files_versions (file_id, number) WHERE scan IS NULL;

CREATE TABLE files_thumbnails (
    file_id CHAR(32) NOT NULL,
    number INTEGER NOT NULL,
    edge INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    storage_key VARCHAR(128),
    size BIGINT,
    task_id CHAR(32) NOT NULL,
    CONSTRAINT pk_files_thumbnails PRIMARY KEY (file_id, number, edge),
    CONSTRAINT fk_files_thumbnails_file_id_number_files_versions FOREIGN KEY(file_id, number) REFERENCES files_versions (file_id, number) ON DELETE CASCADE,
    CONSTRAINT uq_files_thumbnails_storage_key UNIQUE (storage_key)
);
