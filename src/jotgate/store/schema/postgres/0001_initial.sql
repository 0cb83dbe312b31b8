-- jotgate's tables for PostgreSQL, as those for SQLite. Text ids (UUIDv7), whole seconds, instants instead of booleans. A statement ends with a semicolon at the end of a line.

create table users (
    id text collate "C" primary key,
    email text collate "C" unique,
    username text collate "C" unique,
    name text,
    password_hash text,
    epoch bigint not null,
    created_at bigint not null,
    disabled_at bigint
);

create table user_roles (
    user_id text collate "C" not null,
    role text collate "C" not null,
    primary key (user_id, role)
);

create index user_roles_by_role on user_roles (role);

create table roles (
    name text collate "C" primary key,
    permissions text not null
);

insert into roles (name, permissions) values ('admin', 'jotgate:admin');

create table sessions (
    id text collate "C" primary key,
    user_id text collate "C" not null,
    client_id text not null,
    audience text not null,
    scope text,
    generation bigint not null,
    parent bigint not null,
    seed_hash bytea not null,
    opened_at bigint not null,
    rotated_at bigint not null,
    expires_at bigint not null,
    idle_seconds bigint not null,
    amr text not null,
    device text,
    address text,
    closed_at bigint,
    closed_by text
);

create index sessions_by_user on sessions (user_id, closed_at);

create index sessions_by_end on sessions (expires_at);

create index sessions_closed on sessions (closed_at) where closed_at is not null;

create table signing_keys (
    kid text collate "C" primary key,
    alg text not null,
    public text not null,
    sealed bytea not null,
    created_at bigint not null,
    published_at bigint not null,
    signing_at bigint,
    retiring_at bigint,
    gone_at bigint,
    longest_ttl bigint not null,
    revoked_at bigint
);

create table mac_keys (
    id bigint primary key,
    sealed bytea not null,
    created_at bigint not null,
    retired_at bigint
);

create table installation (
    id bigint primary key,
    keyring_version bigint not null,
    secret_check bytea
);

insert into installation (id, keyring_version) values (1, 0);

create table feed_head (
    id bigint primary key,
    incarnation text not null,
    seq bigint not null
);

insert into feed_head (id, incarnation, seq) values (1, '', 0);

create table feed_entries (
    id uuid primary key default gen_random_uuid(),
    seq bigint unique,
    kind text not null,
    digest bytea not null,
    epoch bigint,
    until_at bigint not null
);

create index feed_entries_by_end on feed_entries (until_at);

create table setup_links (
    digest bytea primary key,
    expires_at bigint not null
);

create table audit (
    id bigint generated always as identity primary key,
    at bigint not null,
    event text not null,
    actor text,
    user_id text,
    session_id text,
    address text,
    detail text
);
