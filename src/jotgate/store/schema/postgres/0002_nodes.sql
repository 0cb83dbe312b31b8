-- What nodes share: who does the work that one does at a time, and how often guesses failed.

create table leases (
    name text collate "C" primary key,
    holder text not null,
    until_at bigint not null
);

create table throttle_counts (
    key bytea primary key,
    tat bigint not null
);

create index throttle_counts_by_end on throttle_counts (tat);
