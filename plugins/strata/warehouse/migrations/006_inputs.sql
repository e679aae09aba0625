-- What a stage was made of, so that a run over the same inputs need not make it again.
alter table audit.publications add column inputs varchar;

comment on column audit.publications.inputs is
    'Hash of all that the stage''s rows depend on; null where it is always built anew.';
