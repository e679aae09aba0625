-- Keys of failing rows stay in the warehouse where a source made them: one may be a
-- cookie, or the id of somebody in a chat.
comment on column audit.gate_results.sample_keys is
    'JSON: keys of some rows that break it. Not published: a key may be an identifier.';
