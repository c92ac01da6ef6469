//! The contract of `domain::port::event_log` as tests. Every implementation runs all of it.
//!
//! Nothing here knows which log it talks to; a rule gets a log that is empty. An implementation's tests include this
//! file by its path and hand it a way to make empty logs.

mod append;
mod expected;
mod follow;
mod multi;
mod read;
mod repeat;

pub mod records;

use std::sync::Arc;
use stele_domain::port::event_log::EventLog;

/// Runs every rule, each on a new log.
pub async fn every_rule(make: impl Fn() -> Arc<dyn EventLog>) {
    append::the_first_record_has_position_one_and_revision_zero(make()).await;
    append::positions_and_revisions_have_no_gaps(make()).await;
    append::a_record_comes_back_byte_for_byte(make()).await;
    append::the_records_of_one_append_stand_next_to_each_other(make()).await;
    append::an_append_that_cannot_be_kept_leaves_nothing(make()).await;
    append::the_largest_append_is_kept(make()).await;
    append::an_append_whose_caller_went_away_is_kept_whole_or_not_at_all(make()).await;

    expected::a_stream_that_is_not_where_it_was_believed_is_a_conflict(make()).await;
    expected::of_many_writers_at_one_revision_one_wins(make()).await;

    repeat::the_same_records_at_the_same_revision_get_the_first_answer(make()).await;
    repeat::other_records_at_a_taken_revision_are_a_conflict(make()).await;
    repeat::a_repetition_anywhere_is_found_among_recent_records(make()).await;
    repeat::the_same_id_in_another_stream_is_another_fact(make()).await;
    repeat::the_last_65536_records_are_recent(make()).await;
    repeat::the_same_append_twice_at_once_is_written_once(make()).await;

    read::a_stream_reads_both_ways_from_anywhere(make()).await;
    read::the_log_reads_from_anywhere(make()).await;
    read::a_filter_leaves_out_what_is_not_wanted(make()).await;
    read::a_page_ends_before_it_gets_too_large(make()).await;
    read::an_empty_log_and_an_unknown_stream_are_empty(make()).await;

    follow::a_follower_sees_what_was_and_what_comes(make()).await;
    follow::a_follower_that_gives_up_waiting_misses_nothing(make()).await;
    follow::a_filtered_follower_moves_on_where_nothing_matches(make()).await;
    follow::a_follower_from_beyond_the_head_waits_for_it(make()).await;

    multi::several_streams_are_written_together_or_not_at_all(make()).await;
    multi::a_check_is_answered_and_not_written(make()).await;
    multi::the_same_multi_stream_append_gets_the_first_answer(make()).await;
    multi::a_part_that_somebody_else_wrote_is_a_conflict(make()).await;
    multi::nonsense_is_refused(make()).await;
}
