-- Sessions and users are kept by the number of their id (its milliseconds and last 20 bits, as core/ids.py counts), and
-- sessions know their user's: a refresh among millions of sessions reads fewer pages.
--
-- Of users who share a number the later ones get the next free one. Of sessions that do, once in a million that were
-- opened in the same millisecond, the first is kept: the others log in again.
--
-- The id stays the first column: what a subquery of `returning` compares has the affinity of that one in SQLite 3.40, and
-- with an integer's no index of texts would be used.

create temporary table digits (
    place integer not null,
    shift integer not null
) strict;

insert into digits values (2, 60), (3, 56), (4, 52), (5, 48), (6, 44), (7, 40), (8, 36), (9, 32), (10, 28), (11, 24), (12, 20),
    (28, 16), (29, 12), (30, 8), (31, 4), (32, 0);

alter table users rename to unnumbered_users;

create table users (
    id text not null unique,
    number integer primary key,
    email text unique,
    username text unique,
    name text,
    password_hash text,
    epoch integer not null,
    created_at integer not null,
    disabled_at integer
) strict;

insert into users select id, first + row_number() over (partition by first order by id) - 1,
    email, username, name, password_hash, epoch, created_at, disabled_at
    from (select *, (select sum(instr('123456789abcdef', substr(id, place, 1)) << shift) from digits) as first
        from unnumbered_users) order by id;

drop table unnumbered_users;

alter table sessions rename to unnumbered;

create table sessions (
    id text not null,
    number integer primary key,
    user_number integer not null,
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

insert into sessions select unnumbered.id,
    (select sum(instr('123456789abcdef', substr(unnumbered.id, place, 1)) << shift) from digits),
    users.number, user_id, client_id, audience, scope, generation, parent, seed_hash, opened_at, rotated_at, expires_at,
    idle_seconds, amr, device, address, closed_at, closed_by
    from unnumbered join users on users.id = unnumbered.user_id where true order by unnumbered.id on conflict do nothing;

drop table unnumbered;

drop table digits;

create index sessions_by_user on sessions (user_number, closed_at);

create index sessions_by_end on sessions (expires_at);

create index sessions_closed on sessions (closed_at) where closed_at is not null;
