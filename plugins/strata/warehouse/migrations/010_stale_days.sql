-- What the published table of stale days means, for the clients that show it.
comment on table audit.stale_days is
    'Published days that rest on an older day which a run has rebuilt since; empty where all is up to date.';
comment on column audit.stale_days.ds is
    'The day that may differ from what would be built today.';
comment on column audit.stale_days.because_of_run_id is
    'The attempt that rebuilt an older day.';
comment on column audit.stale_days._marked_at is
    'When it was marked (UTC).';
