//! What holds in every story, however it goes.

use super::story::{Step, Story};
use crate::decider::{Decider, fold};
use crate::ids::{CommandId, TokenId};
use crate::market::reference::event::Verdict;
use crate::money::{Rate, Rounding, Share, Units};
use crate::pair::Direction;
use crate::port::venue::TokenAmount;
use crate::testing::is_read_as_it_was_written;
use crate::trading::account::event::{Mode, RefusalCode, ReleaseCause};
use crate::trading::account::state::Arming;
use crate::trading::account::{Account, Command, Event};
use crate::trading::fixtures::{at, btc, decimals, eure};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::{BTreeMap, BTreeSet};

fn holds_in_every_story(law: fn(Story) -> bool) {
    QuickCheck::new().tests(400).quickcheck(law);
}

/// Short name of an event, for counting.
fn name(event: &Event) -> &'static str {
    match event {
        Event::LeaseTaken(_) => "lease taken",
        Event::LeaseRenewed(_) => "lease renewed",
        Event::LimitsSet(_) => "limits set",
        Event::Armed(_) => "armed",
        Event::ArmRequested(_) => "arm requested",
        Event::ArmApproved(_) => "arm approved",
        Event::Disarmed(_) => "disarmed",
        Event::Killed(_) => "killed",
        Event::KillConfirmed(_) => "kill confirmed",
        Event::StandDownAsked(_) => "stand down asked",
        Event::ExecutionRefused(_) => "refused",
        Event::ExecutionExpired(_) => "expired",
        Event::SubmissionStarted(_) => "started",
        Event::SubmissionAbandoned(_) => "abandoned",
        Event::SubmissionAccepted(_) => "accepted",
        Event::SubmissionRejected(_) => "rejected",
        Event::SubmissionUncertain(_) => "uncertain",
        Event::ReplyContradicted(_) => "contradicted",
        Event::SubmissionSettled(_) => "settled",
        Event::SubmissionSettleFailed(_) => "settle failed",
        Event::SubmissionExpiredUnfilled(_) => "expired unfilled",
        Event::ReservationReleased(_) => "released",
    }
}

const NAMES: usize = 22;

/// The laws below would hold in stories in which nothing happens; these are not such stories.
#[test]
fn everything_that_can_happen_happens_in_some_story() {
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    let mut starts = 0_usize;
    for seed in 0..300 {
        for event in Story::arbitrary(&mut Gen::from_size_and_seed(100, seed)).events() {
            names.insert(name(&event));
            starts = starts.saturating_add(usize::from(matches!(event, Event::SubmissionStarted(_))));
            if let Event::ExecutionRefused(refused) = event {
                codes.insert(refused.code);
            }
        }
    }
    assert_eq!(names.len(), NAMES, "{names:?}");
    assert_eq!(codes, BTreeSet::from(RefusalCode::ALL));
    assert!(starts > 300, "{starts} offers in 300 stories");
}

/// Taking a lease twice is two leases: see `a_restart_within_the_same_moment_is_a_new_epoch_all_the_same`.
#[test]
fn repeating_a_command_changes_nothing() {
    holds_in_every_story(|story| {
        story.steps().all(|step| match (&step.command, &step.result) {
            (Command::TakeLease { .. }, _) | (_, Err(_)) => true,
            (_, Ok(_)) => Account::decide(&step.after, step.command.clone()) == Ok(vec![]),
        })
    });
}

#[test]
fn what_is_reserved_is_what_was_started_less_what_was_released() {
    holds_in_every_story(|story| {
        let mut owed: BTreeMap<TokenId, Units> =
            BTreeMap::from([(btc(), Units::ZERO), (eure(), Units::ZERO)]);
        story.steps().all(|step| {
            for event in step.result.as_deref().unwrap_or_default() {
                if let Event::SubmissionStarted(started) = event {
                    let sum = owed.get_mut(&started.give.token).unwrap();
                    *sum = sum.plus(started.give.amount).unwrap();
                }
                if let Event::ReservationReleased(released) = event {
                    let sum = owed.get_mut(&released.amount.token).unwrap();
                    let Some(left) = sum.minus(released.amount.amount) else { return false };
                    *sum = left;
                }
            }
            owed.iter().all(|(token, sum)| step.after.reserved(token) == *sum)
        })
    });
}

#[test]
fn every_start_was_covered_by_credited_coin_less_all_that_is_spoken_for() {
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            let Command::Execute(execute) = step.command else { return true };
            step.result.as_deref().unwrap_or_default().iter().all(|event| {
                let Event::SubmissionStarted(started) = event else { return true };
                let balances = execute.balances.as_ref().unwrap();
                let limits = &step.before.limits_at(execute.at).unwrap().limits;
                let floor = limits.floor.get(&started.give.token).copied().unwrap_or(Units::ZERO);
                let spoken_for = [step.before.reserved(&started.give.token), balances.pending_out, floor];
                let left = spoken_for.into_iter().try_fold(balances.credited, Units::minus);
                left.is_some_and(|left| left >= started.give.amount)
                    && balances.height >= step.before.last_release_height()
            })
        })
    });
}

#[test]
fn no_start_loses_at_the_price_that_the_account_sees_and_none_is_larger_than_it_says() {
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            let Command::Execute(execute) = step.command else { return true };
            step.result.as_deref().unwrap_or_default().iter().all(|event| {
                let Event::SubmissionStarted(started) = event else { return true };
                let (Verdict::Primary { fair } | Verdict::Fallback { fair }) =
                    &execute.price.as_ref().unwrap().verdict
                else {
                    return false;
                };
                let worth = |rate: Rate, base: &TokenAmount| {
                    rate.worth(base.amount, decimals(), Share::WHOLE, Rounding::Up).unwrap()
                };
                let (base_worth, received_less_given) = match started.direction {
                    Direction::BuyBase => {
                        let worth = worth(fair.bid, &started.receive);
                        (worth, worth.minus(started.give.amount))
                    }
                    Direction::SellBase => {
                        let worth = worth(fair.ask, &started.give);
                        (worth, started.receive.amount.minus(worth))
                    }
                };
                // Distances are told in hundredths of a percent, in favour of none.
                let times = |units: Units, n: u128| {
                    units.to_string().parse::<u128>().unwrap().checked_mul(n).unwrap()
                };
                received_less_given.is_some() && times(started.notional, 10_000) > times(base_worth, 9_799)
            })
        })
    });
}

#[test]
fn open_offers_never_exceed_the_limits_under_which_the_last_of_them_started() {
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            let Command::Execute(execute) = step.command else { return true };
            if step.after.open().len() <= step.before.open().len() {
                return true;
            }
            let limits = &step.before.limits_at(execute.at).unwrap().limits;
            let (direction, partner) = (execute.order.direction, execute.order.partner_id.as_deref());
            let cap = match direction {
                crate::pair::Direction::BuyBase => limits.buy_base_open_max,
                crate::pair::Direction::SellBase => limits.sell_base_open_max,
            };
            let of_partner = partner.map_or(0, |partner| step.after.open_of_partner(partner));
            step.after.open().len() <= usize::try_from(limits.open_offers_max).unwrap()
                && of_partner <= usize::try_from(limits.open_offers_per_partner_max).unwrap()
                && step.after.open_notional(direction) <= cap
        })
    });
}

#[test]
fn in_reducing_all_open_offers_together_stay_short_of_the_target() {
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            let Command::Execute(execute) = step.command else { return true };
            let reducing = matches!(
                step.before.arming(),
                crate::trading::account::state::Arming::Armed(armed) if armed.mode == Mode::Reducing
            );
            if !reducing || step.after.open().len() <= step.before.open().len() {
                return true;
            }
            let held = execute.balances.as_ref().unwrap().base_held;
            let target = step.before.limits_at(execute.at).unwrap().limits.base_target;
            let moved = step.after.open_base(execute.order.direction);
            match execute.order.direction {
                crate::pair::Direction::BuyBase => held.plus(moved).unwrap() <= target,
                crate::pair::Direction::SellBase => held.minus(moved).is_some_and(|left| left >= target),
            }
        })
    });
}

#[test]
fn no_offer_starts_unless_the_last_word_was_to_arm() {
    holds_in_every_story(|story| {
        let (mut armed, mut killed, mut epoch) = (false, false, 0);
        story.events().iter().all(|event| {
            match event {
                Event::Armed(_) if killed => return false,
                Event::Armed(_) => armed = true,
                Event::Disarmed(_) => (armed, killed) = (false, false),
                Event::Killed(_) => (armed, killed) = (false, true),
                Event::LeaseTaken(taken) => (armed, epoch) = (false, taken.epoch),
                Event::SubmissionStarted(started) => return armed && !killed && started.epoch == epoch,
                Event::LeaseRenewed(_)
                | Event::LimitsSet(_)
                | Event::ArmRequested(_)
                | Event::ArmApproved(_)
                | Event::KillConfirmed(_)
                | Event::StandDownAsked(_)
                | Event::ExecutionRefused(_)
                | Event::ExecutionExpired(_)
                | Event::SubmissionAbandoned(_)
                | Event::SubmissionAccepted(_)
                | Event::SubmissionRejected(_)
                | Event::SubmissionUncertain(_)
                | Event::ReplyContradicted(_)
                | Event::SubmissionSettled(_)
                | Event::SubmissionSettleFailed(_)
                | Event::SubmissionExpiredUnfilled(_)
                | Event::ReservationReleased(_) => {}
            }
            true
        })
    });
}

#[test]
fn every_order_is_answered_exactly_once_by_a_start_a_refusal_or_an_expiry() {
    holds_in_every_story(|story| {
        let mut asked = BTreeSet::new();
        let mut answered: BTreeMap<CommandId, usize> = BTreeMap::new();
        for step in story.steps() {
            if let Command::Execute(execute) = step.command
                && execute.command_position > step.before.last_command()
            {
                asked.insert(execute.order.command_id);
            }
            for event in step.result.unwrap_or_default() {
                let mut answer = |command_id| {
                    let count = answered.entry(command_id).or_default();
                    *count = count.saturating_add(1);
                };
                if let Event::SubmissionStarted(started) = &event {
                    answer(started.command_id);
                } else if let Event::ExecutionRefused(refused) = &event {
                    answer(refused.command_id);
                } else if let Event::ExecutionExpired(expired) = &event {
                    answer(expired.command_id);
                }
            }
        }
        answered.values().all(|count| *count == 1) && answered.into_keys().eq(asked)
    });
}

#[test]
fn a_quote_gets_at_most_one_offer() {
    holds_in_every_story(|story| {
        let mut quotes = BTreeSet::new();
        story.events().iter().all(|event| {
            if let Event::SubmissionStarted(started) = event {
                quotes.insert(started.quote_id.clone())
            } else {
                true
            }
        })
    });
}

type Counter = fn(&mut Told) -> &mut usize;

/// What was said of one offer. Doubt is no end: a reply can lift it, and a forgotten nonce bring it back.
#[derive(Default)]
struct Told {
    ends: usize,
    releases: usize,
    failures: usize,
}

/// What an event adds to, and for which offer.
fn counted(event: &Event) -> Option<(CommandId, Counter)> {
    match event {
        Event::SubmissionSettled(fact) => Some((fact.command_id, |told| &mut told.ends)),
        Event::SubmissionExpiredUnfilled(fact) => Some((fact.command_id, |told| &mut told.ends)),
        Event::SubmissionAbandoned(fact) => Some((fact.command_id, |told| &mut told.ends)),
        Event::SubmissionSettleFailed(fact) => Some((fact.command_id, |told| &mut told.failures)),
        Event::ReservationReleased(fact) => Some((fact.command_id, |told| &mut told.releases)),
        Event::LeaseTaken(_)
        | Event::LeaseRenewed(_)
        | Event::LimitsSet(_)
        | Event::Armed(_)
        | Event::ArmRequested(_)
        | Event::ArmApproved(_)
        | Event::Disarmed(_)
        | Event::Killed(_)
        | Event::KillConfirmed(_)
        | Event::StandDownAsked(_)
        | Event::ExecutionRefused(_)
        | Event::ExecutionExpired(_)
        | Event::SubmissionStarted(_)
        | Event::SubmissionAccepted(_)
        | Event::SubmissionRejected(_)
        | Event::SubmissionUncertain(_)
        | Event::ReplyContradicted(_) => None,
    }
}

#[test]
fn an_offer_ends_at_most_once_and_is_released_exactly_when_it_is_no_longer_open() {
    holds_in_every_story(|story| {
        let mut offers: BTreeMap<CommandId, Told> = BTreeMap::new();
        let events = story.events();
        for event in &events {
            if let Event::SubmissionStarted(started) = event {
                offers.insert(started.command_id, Told::default());
                continue;
            }
            let Some((command_id, counter)) = counted(event) else { continue };
            let Some(offer) = offers.get_mut(&command_id) else { return false };
            let count = counter(offer);
            *count = count.saturating_add(1);
        }
        let state = fold::<Account>(&events);
        offers.iter().all(|(command_id, told)| {
            let open = state.open().contains_key(command_id);
            told.ends <= 1
                && told.failures <= 1
                && told.releases == usize::from(!open)
                && (told.ends == 0 || !open)
        })
    });
}

#[test]
fn coin_is_freed_only_by_its_proof() {
    fn proved(step: &Step<'_>, event: &Event) -> bool {
        let Event::ReservationReleased(released) = event else { return true };
        let offer = &step.before.open()[&released.command_id].started;
        match (released.cause, step.command) {
            (ReleaseCause::NeverSent, Command::Abandon { .. }) => step.before.epoch() == offer.epoch,
            (ReleaseCause::Settled, Command::ApplyBalances(apply)) => {
                apply.nonces.iter().any(|seen| seen.command_id == released.command_id && seen.used)
            }
            (ReleaseCause::DeadlinePassed, Command::ApplyBalances(apply)) => {
                let dead = offer.offer_deadline.plus_millis(apply.release_margin_ms);
                let mut nonces = apply.nonces.iter().filter(|seen| seen.command_id == released.command_id);
                apply.block_at > dead && nonces.all(|seen| !seen.used)
            }
            (ReleaseCause::NeverSent | ReleaseCause::Settled | ReleaseCause::DeadlinePassed, _) => false,
        }
    }
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            let events = step.result.as_deref().unwrap_or_default();
            events.iter().all(|event| proved(&step, event))
        })
    });
}

#[test]
fn an_arming_holds_up_to_the_moment_that_is_told_and_not_from_it_on() {
    holds_in_every_story(|story| {
        story.steps().all(|step| {
            (-2..8).map(|n| at(n * 7_000)).all(|from| {
                let state = &step.after;
                let Some(end) = state.armed_before(from) else {
                    return !matches!(state.arming(), Arming::Armed(_)) || state.lapsed(from).is_some();
                };
                let mut between = (0..12).map(|n| from.plus_millis(n * 5_000)).filter(|moment| *moment < end);
                end > from
                    && state.lapsed(end).is_some()
                    && between.all(|moment| state.lapsed(moment).is_none())
            })
        })
    });
}

#[test]
fn any_order_of_any_events_can_be_folded_and_decided_on() {
    let law: fn(Story, Story, Vec<usize>) -> bool = |story, other, order| {
        let mut events = [story.events(), other.events()].concat();
        for (index, target) in order.iter().enumerate() {
            let length = events.len();
            events.swap(index.checked_rem(length).unwrap(), target.checked_rem(length).unwrap());
        }
        let state = fold::<Account>(&events);
        // No panic on the way is the law; an offer that starts is told by its own event, whatever came before.
        story.commands.into_iter().all(|command| match Account::decide(&state, command) {
            Ok(facts) => {
                !facts.iter().any(|fact| matches!(fact, Event::SubmissionStarted(_))) || facts.len() == 1
            }
            Err(rejection) => !rejection.code().is_empty(),
        })
    };
    QuickCheck::new().tests(200).quickcheck(law);
}

#[test]
fn a_state_is_read_as_it_was_written() {
    holds_in_every_story(|story| is_read_as_it_was_written::<Account>(&story.events()));
}
