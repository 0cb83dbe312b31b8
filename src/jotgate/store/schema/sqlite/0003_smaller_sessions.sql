-- A session takes less room: a user's are found by the last eight digits of the id, which are random, instead of all.

drop index sessions_by_user;

create index sessions_by_user on sessions (substr(user_id, 25), closed_at);
