-- What the public tables of state mean, for the clients that show it.

comment on table segments.scores is
    'Scores of a user on a day; grain user, ds, score name.';
comment on column segments.scores.unified_user_id is
    'The person''s stable id, as of the day.';
comment on column segments.scores.ds is
    'The tenant''s local day that the score is for.';
comment on column segments.scores.score_name is
    'Which score: rfm_recency, rfm_frequency, rfm_monetary (quintile, 5 is best), rfm_rank, clv_90d, clv_365d (expected margin-weighted spend), value_rank, activity_rank, activity_growth_90d.';
comment on column segments.scores.value is
    'The score; null where it cannot be computed.';
comment on column segments.scores.percentile is
    'Share of scored users at or below this value, 0 to 1.';
comment on column segments.scores.model_version is
    'Version of the rules or the model that gave it.';
comment on column segments.scores._run_id is
    'The attempt that wrote the row.';

comment on table segments.user_tiers is
    'The tier of every user who agreed to be profiled; grain user, ds.';
comment on column segments.user_tiers.unified_user_id is
    'The person''s stable id, as of the day.';
comment on column segments.user_tiers.ds is
    'The tenant''s local day that the tier is for.';
comment on column segments.user_tiers.tier is
    'select (top 3 %), high (next 17 %), potential (growing, or large baskets so far), mid (next 30 %), low (the rest).';
comment on column segments.user_tiers.rfm_segment is
    'Named combination of recency, frequency and monetary quintiles.';
comment on column segments.user_tiers.lifecycle is
    'new, growing, mature, dormant, lost or won_back.';
comment on column segments.user_tiers.is_dormant is
    'Nothing for the number of days that config/tiers.yml says.';
comment on column segments.user_tiers.is_at_risk is
    'Silent for more than twice the user''s own median gap between active days.';
comment on column segments.user_tiers.is_value_alarm is
    'Value health alarm; null until that index is computed.';
comment on column segments.user_tiers.value_rank is
    'RFM-weighted percentile, 0 to 1; users without orders rank by activity, below the last buyer.';
comment on column segments.user_tiers.previous_tier is
    'Tier on the last day before that has one.';
comment on column segments.user_tiers.valid_from is
    'First day on which the user has had this tier without a break.';
comment on column segments.user_tiers.next_action is
    'What to do next, from config/playbooks.yml.';
comment on column segments.user_tiers.next_action_mode is
    'How: automated, human or scenario.';
comment on column segments.user_tiers.rules_version is
    'Hash of the tier and playbook rules.';
comment on column segments.user_tiers._run_id is
    'The attempt that wrote the row.';

comment on table segments.reasons is
    'The three strongest contributions to a user''s rank, in words; grain user, ds, rank.';
comment on column segments.reasons.unified_user_id is
    'The person''s stable id, as of the day.';
comment on column segments.reasons.ds is
    'The tenant''s local day.';
comment on column segments.reasons.rank is
    '1 is the strongest of the three.';
comment on column segments.reasons.feature is
    'The feature of features.feat_users that contributes.';
comment on column segments.reasons.contribution is
    'Its part of the value rank above or below the baseline; all parts add up.';
comment on column segments.reasons.text_key is
    'Key of the sentence, for translation.';
comment on column segments.reasons.text is
    'The reason as a sentence.';
comment on column segments.reasons._run_id is
    'The attempt that wrote the row.';

comment on table audit.runs is
    'One row an attempt at a day; failed attempts stay.';
comment on column audit.runs.run_id is
    'The day and the number of the attempt.';
comment on column audit.runs.ds is
    'The tenant''s local day that the run is for.';
comment on column audit.runs.world is
    'The tenant.';
comment on column audit.runs.attempt is
    'Number of the attempt at this day, from 1.';
comment on column audit.runs.previous_run_id is
    'The attempt before this one.';
comment on column audit.runs.status is
    'running, succeeded, failed or interrupted.';
comment on column audit.runs.is_newest is
    'False for a day older than the newest published one: snapshots only.';
comment on column audit.runs.manifest_hash is
    'Hash of everything that raw held.';
comment on column audit.runs.config_hash is
    'Hash of all rules: config and expectations.';
comment on column audit.runs.code_version is
    'Release, and a hash of the code that makes rows.';
comment on column audit.runs.failed_stage is
    'The stage that stopped the run.';
comment on column audit.runs.error is
    'What stopped it; holds no value of a row.';
comment on column audit.runs.sync_summary is
    'JSON: records created, updated, cleared, refused, unchanged by CRM target.';
comment on column audit.runs.stage_seconds is
    'JSON: wall seconds of each stage.';
comment on column audit.runs.fixed_seconds is
    'Wall seconds outside the stages: process starts, imports, scheduling.';
comment on column audit.runs.peak_mb is
    'Highest resident memory of a process of the run, MB.';
comment on column audit.runs.paths is
    'JSON: where report, Data Docs, published copy and CRM lie.';
comment on column audit.runs.external_id is
    'The scheduler''s name for the run.';
comment on column audit.runs._started_at is
    'When it began (UTC).';
comment on column audit.runs._ended_at is
    'When it ended (UTC).';

comment on table audit.stage_counts is
    'Rows in and out of a table in a run; rows_in = rows_out + deduplicated + quarantined.';
comment on column audit.stage_counts.run_id is
    'The attempt.';
comment on column audit.stage_counts.ds is
    'Its day.';
comment on column audit.stage_counts.stage is
    'Stage of the daily run.';
comment on column audit.stage_counts.table_name is
    'The table, as schema.table.';
comment on column audit.stage_counts.rows_in is
    'Rows that the table was made from.';
comment on column audit.stage_counts.rows_out is
    'Rows it holds.';
comment on column audit.stage_counts.deduplicated is
    'Rows folded into a newer version of the same key.';
comment on column audit.stage_counts.quarantined is
    'Rows set aside by a rule.';
comment on column audit.stage_counts.quarantined is
    'Rows set aside by a rule.';

comment on table audit.gate_results is
    'One row an expectation a table a run, passed or not.';
comment on column audit.gate_results.run_id is
    'The attempt.';
comment on column audit.gate_results.ds is
    'Its day.';
comment on column audit.gate_results.stage is
    'Stage of the daily run.';
comment on column audit.gate_results.table_name is
    'The table that was checked.';
comment on column audit.gate_results.suite_version is
    'Hash of the suite''s content.';
comment on column audit.gate_results.expectation is
    'The rule.';
comment on column audit.gate_results.kind is
    'Whether a rule looks at rows, at a whole table, or is a law of the pipeline.';
comment on column audit.gate_results.column_name is
    'The column, where the rule is about one.';
comment on column audit.gate_results.severity is
    'fail stops the run, warn reports, quarantine sets rows aside.';
comment on column audit.gate_results.verdict is
    'passed, warned, failed, quarantined, or errored where the check itself broke.';
comment on column audit.gate_results.observed is
    'What was found.';
comment on column audit.gate_results.threshold is
    'What was expected.';
comment on column audit.gate_results.unexpected_count is
    'Rows that break the rule.';
comment on column audit.gate_results.checked_rows is
    'Rows that were checked.';
comment on column audit.gate_results.sample_keys is
    'JSON: keys of some rows that break it; never PII.';
comment on column audit.gate_results.owner is
    'Who answers for the rule.';
comment on column audit.gate_results.why is
    'Why the rule exists.';
comment on column audit.gate_results.fingerprint is
    'Hash of the table''s content.';
comment on column audit.gate_results._started_at is
    'When it began (UTC).';
comment on column audit.gate_results._ended_at is
    'When it ended (UTC).';

comment on table audit.publications is
    'One row a stage a run that was published.';
comment on column audit.publications.stage is
    'Stage of the daily run.';
comment on column audit.publications.ds is
    'Its day.';
comment on column audit.publications.run_id is
    'The attempt.';
comment on column audit.publications.fingerprint is
    'Hash of everything the stage published.';
comment on column audit.publications.rows is
    'Rows published.';
comment on column audit.publications.is_newest is
    'Whether the whole stage was published, or snapshots only.';
comment on column audit.publications._published_at is
    'When it was published (UTC).';
