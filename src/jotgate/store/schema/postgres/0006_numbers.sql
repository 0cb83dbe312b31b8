-- Sessions and users are kept by the number of their id (its milliseconds and last 20 bits, as core/ids.py counts), and
-- sessions know their user's: a refresh among millions of sessions reads fewer pages.
--
-- Of users who share a number the later ones get the next free one. Of sessions that do, once in a million that were
-- opened in the same millisecond, the first is kept: the others log in again.

alter table users rename to unnumbered_users;

create table users (
    id text collate "C" not null unique,
    number bigint primary key,
    email text collate "C" unique,
    username text collate "C" unique,
    name text,
    password_hash text,
    epoch bigint not null,
    created_at bigint not null,
    disabled_at bigint
);

insert into users select id, first + row_number() over (partition by first order by id) - 1,
    email, username, name, password_hash, epoch, created_at, disabled_at
    from (select *, ('x' || substr(id, 1, 12))::bit(48)::bigint << 20 | ('x' || substr(id, 28, 5))::bit(20)::bigint as first
        from unnumbered_users) as those order by id;

drop table unnumbered_users;

alter table sessions rename to unnumbered;

create table sessions (
    id text collate "C" not null,
    number bigint primary key,
    user_number bigint not null,
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
) with (fillfactor = 85);

insert into sessions select unnumbered.id,
    ('x' || substr(unnumbered.id, 1, 12))::bit(48)::bigint << 20 | ('x' || substr(unnumbered.id, 28, 5))::bit(20)::bigint,
    users.number, user_id, client_id, audience, scope, generation, parent, seed_hash, opened_at, rotated_at, expires_at,
    idle_seconds, amr, device, address, closed_at, closed_by
    from unnumbered join users on users.id = unnumbered.user_id order by unnumbered.id on conflict do nothing;

drop table unnumbered;

create index sessions_by_user on sessions (user_number, closed_at);

create index sessions_by_end on sessions (expires_at);

create index sessions_closed on sessions (closed_at) where closed_at is not null;
