-- The categories of events are a column of features.int_event_days_counted.
drop table if exists features.int_category_days_counted;
