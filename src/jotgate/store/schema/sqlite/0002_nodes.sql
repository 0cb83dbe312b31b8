-- What nodes share: who does the work that one does at a time, and how often guesses failed.

create table leases (
    name text primary key,
    holder text not null,
    until_at integer not null
) strict, without rowid;

create table throttle_counts (
    key blob primary key,
    tat integer not null
) strict, without rowid;

create index throttle_counts_by_end on throttle_counts (tat);
