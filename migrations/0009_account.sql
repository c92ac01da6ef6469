-- One row per signing account: arming, lease, limits, and what is out.
CREATE TABLE read_model.account (
    account text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    arming text COLLATE "C" NOT NULL,
    arming_at timestamptz,
    arming_actor text COLLATE "C",
    arming_reason text COLLATE "C" NOT NULL,
    armed_until timestamptz,
    armed_limits_version bigint,
    disarm_cause text COLLATE "C",
    open_at_kill json,
    limits_version bigint,
    limits_effective_from timestamptz,
    lease_epoch bigint,
    lease_holder text COLLATE "C",
    lease_until timestamptz,
    open_reservations bigint NOT NULL,
    submissions bigint NOT NULL,
    PRIMARY KEY (account)
) WITH (fillfactor = 80);

-- Offers whose coin is reserved now. A row leaves when its coin is released.
CREATE TABLE read_model.reservations (
    command_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    quote_id text COLLATE "C" NOT NULL,
    quote_hash text COLLATE "C" NOT NULL,
    direction text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL,
    amount numeric(78, 0) NOT NULL,
    notional numeric(78, 0) NOT NULL,
    partner_id text COLLATE "C",
    offer_deadline timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (command_id)
) WITH (fillfactor = 80);

-- Limits, each time they were set, whole.
CREATE TABLE read_model.limits_history (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    limits json NOT NULL,
    effective_from timestamptz NOT NULL,
    reason text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX limits_history_by_time ON read_model.limits_history USING brin (position, recorded_at);
CREATE INDEX limits_history_by_version ON read_model.limits_history (version, position);
SELECT read_model.declare_series(
    'limits_history', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 2000
);

-- Every arming, disarming, kill and change of lease.
CREATE TABLE read_model.arming_history (
    position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (position)
) PARTITION BY RANGE (position);
CREATE INDEX arming_history_by_time ON read_model.arming_history USING brin (position, recorded_at);
CREATE INDEX arming_history_by_step ON read_model.arming_history (step, position);
SELECT read_model.declare_series(
    'arming_history', partition_span => 100000000, time_column => 'recorded_at',
    compress_after => '30 days', tier_after => '90 days', retention => NULL, keep_rows => 2000
);
