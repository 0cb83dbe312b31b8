-- jotgate's tables. Text ids (UUIDv7), whole seconds, instants instead of booleans. A statement ends with a semicolon at the end of a line.

create table users (
    id text primary key,
    email text unique,
    username text unique,
    name text,
    password_hash text,
    epoch integer not null,
    created_at integer not null,
    disabled_at integer
) strict, without rowid;

create table user_roles (
    user_id text not null,
    role text not null,
    primary key (user_id, role)
) strict, without rowid;

create index user_roles_by_role on user_roles (role);

create table roles (
    name text primary key,
    permissions text not null
) strict, without rowid;

insert into roles (name, permissions) values ('admin', 'jotgate:admin');

create table sessions (
    id text primary key,
    user_id text not null,
    client_id text not null,
    audience text not null,
    scope text,
    generation integer not null,
    parent integer not null,
    seed_hash blob not null,
    opened_at integer not null,
    rotated_at integer not null,
    expires_at integer not null,
    idle_seconds integer not null,
    amr text not null,
    device text,
    address text,
    closed_at integer,
    closed_by text
) strict;

create index sessions_by_user on sessions (user_id, closed_at);

create index sessions_by_end on sessions (expires_at);

create index sessions_closed on sessions (closed_at) where closed_at is not null;

create table signing_keys (
    kid text primary key,
    alg text not null,
    public text not null,
    sealed blob not null,
    created_at integer not null,
    published_at integer not null,
    signing_at integer,
    retiring_at integer,
    gone_at integer,
    longest_ttl integer not null,
    revoked_at integer
) strict, without rowid;

create table mac_keys (
    id integer primary key,
    sealed blob not null,
    created_at integer not null,
    retired_at integer
) strict;

create table installation (
    id integer primary key,
    keyring_version integer not null,
    secret_check blob
) strict;

insert into installation (id, keyring_version) values (1, 0);

create table feed_head (
    id integer primary key,
    incarnation text not null,
    seq integer not null
) strict;

insert into feed_head (id, incarnation, seq) values (1, '', 0);

create table feed_entries (
    id integer primary key,
    seq integer unique,
    kind text not null,
    digest blob not null,
    epoch integer,
    until_at integer not null
) strict;

create index feed_entries_by_end on feed_entries (until_at);

create table setup_links (
    digest blob primary key,
    expires_at integer not null
) strict, without rowid;

create table audit (
    id integer primary key,
    at integer not null,
    event text not null,
    actor text,
    user_id text,
    session_id text,
    address text,
    detail text
) strict;
