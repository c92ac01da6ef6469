-- What became of requests to arm, and the one of each account that waits. The projection has a new version with this:
-- its tables are folded again.
ALTER TABLE read_model.arm_requests ADD COLUMN ended_at timestamptz;

-- The request to arm of each account that waits for a second person, and what will end it by time alone.
CREATE TABLE read_model.arm_waiting (
    account text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    last_position bigint NOT NULL,
    limits_from json NOT NULL,
    waiting json,
    PRIMARY KEY (account)
) WITH (fillfactor = 80);
