-- Users have a history. It begins with the next run: what was published before has no
-- versions, and can be built again.
create schema if not exists marts;

drop table if exists marts.dim_users;
