-- What a restore did, and, in a backup alone, when it was made.

alter table installation add column backed_up_at integer;

create table restores (
    restored_at integer primary key,
    backed_up_at integer not null,
    sessions_closed integer not null,
    sessions_kept integer not null,
    keys_revoked text not null
) strict;
