-- People's commands that a rule refused.
CREATE TABLE read_model.refused_commands (
    position bigint NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX refused_commands_by_time ON read_model.refused_commands USING brin (position, recorded_at);
CREATE INDEX refused_commands_by_command_id ON read_model.refused_commands (command_id, position);
CREATE INDEX refused_commands_by_actor ON read_model.refused_commands (actor, position);
SELECT read_model.declare_series(
    'refused_commands', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 5000
);
