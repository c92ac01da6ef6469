-- Every kind of alert that was ever raised, and whether it is now.
CREATE TABLE read_model.alerts (
    kind text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    raised boolean NOT NULL,
    detail text COLLATE "C" NOT NULL,
    raised_at timestamptz,
    cleared_at timestamptz,
    times_raised bigint NOT NULL,
    PRIMARY KEY (kind)
) WITH (fillfactor = 80);

-- Every time an alert was raised or cleared.
CREATE TABLE read_model.alert_history (
    position bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    raised boolean NOT NULL,
    detail text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX alert_history_by_time ON read_model.alert_history USING brin (position, recorded_at);
CREATE INDEX alert_history_by_kind ON read_model.alert_history (kind, position);
SELECT read_model.declare_series(
    'alert_history', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 5000
);
