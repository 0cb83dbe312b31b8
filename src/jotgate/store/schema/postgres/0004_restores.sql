-- What a restore did, and, in a backup alone, when it was made.

alter table installation add column backed_up_at bigint;

create table restores (
    restored_at bigint primary key,
    backed_up_at bigint not null,
    sessions_closed bigint not null,
    sessions_kept bigint not null,
    keys_revoked text not null
);
