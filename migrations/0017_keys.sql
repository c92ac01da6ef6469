-- Every key that was ever handed out. Its secret and its hash are not here.
CREATE TABLE read_model.keys (
    key_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    actions json NOT NULL,
    processes json NOT NULL,
    label text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_by text COLLATE "C",
    revoked_at timestamptz,
    revoke_reason text COLLATE "C",
    PRIMARY KEY (key_id)
) WITH (fillfactor = 80);
CREATE INDEX keys_by_position ON read_model.keys (position, key_id);
CREATE INDEX keys_by_owner ON read_model.keys (owner, position, key_id);

-- Every making and taking back of a key: by whom, with which credential, from where.
CREATE TABLE read_model.key_history (
    position bigint NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    with_key text COLLATE "C",
    address text COLLATE "C",
    reason text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX key_history_by_time ON read_model.key_history USING brin (position, recorded_at);
CREATE INDEX key_history_by_key_id ON read_model.key_history (key_id, position);
CREATE INDEX key_history_by_actor ON read_model.key_history (actor, position);
SELECT read_model.declare_series(
    'key_history', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 2000
);
