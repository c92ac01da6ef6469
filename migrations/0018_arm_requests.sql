-- Requests to arm that needed a second person, and who approved.
CREATE TABLE read_model.arm_requests (
    request_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    account text COLLATE "C" NOT NULL,
    mode text COLLATE "C" NOT NULL,
    limits_version bigint NOT NULL,
    limits_hash text COLLATE "C" NOT NULL,
    until timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    requested_by text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    requested_at timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL,
    approved_by text COLLATE "C",
    approved_at timestamptz,
    approve_reason text COLLATE "C",
    PRIMARY KEY (request_id)
) WITH (fillfactor = 80);
CREATE INDEX arm_requests_by_position ON read_model.arm_requests (position, request_id);
CREATE INDEX arm_requests_by_state ON read_model.arm_requests (state, position, request_id);
