-- Whether the links of a record's raw component were weighed one by one.
alter table identity.components add column is_weighed boolean;
