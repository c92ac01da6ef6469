-- By which event a checkpoint is known to be of the log in front of which the desk starts: tables of another log, or of
-- a log that went on otherwise after a restore, are refused. Empty for checkpoints of before; the next batch says it.
ALTER TABLE read_model.checkpoints ADD COLUMN event_id text COLLATE "C";
