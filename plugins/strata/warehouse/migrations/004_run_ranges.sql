-- A run may build several days at once, each as of its own morning after.
alter table audit.runs add column since date;
alter table ops.run_dates add column known_until timestamp;
alter table ops.run_dates add column recorded_until date;
