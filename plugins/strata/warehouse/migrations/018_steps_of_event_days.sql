-- The steps of the funnel are columns of features.int_event_days_counted.
drop table if exists features.int_step_days_timed;
