-- What was tried and left no other fact: refused by role, scope, rate or rule, already so, or turned away for want of a credential.
CREATE TABLE read_model.access_attempts (
    position bigint NOT NULL,
    command_id text COLLATE "C",
    actor text COLLATE "C" NOT NULL,
    key_id text COLLATE "C",
    address text COLLATE "C",
    action text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    codes json,
    detail text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    since timestamptz NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX access_attempts_by_time ON read_model.access_attempts USING brin (position, recorded_at);
CREATE INDEX access_attempts_by_actor ON read_model.access_attempts (actor, position);
CREATE INDEX access_attempts_by_key_id ON read_model.access_attempts (key_id, position);
CREATE INDEX access_attempts_by_address ON read_model.access_attempts (address, position);
CREATE INDEX access_attempts_by_code ON read_model.access_attempts (code, position);
SELECT read_model.declare_series(
    'access_attempts', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 10000
);
