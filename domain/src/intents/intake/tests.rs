//! Sentences and laws of the intake.

use super::decide::WINDOW_MS_MAX;
use super::event::{DuplicateReceived, Fault, QuoteReceived, RequestRejected};
use super::state::RECENT_QUOTES_MAX;
use super::{Command, Event, Intake, Rejection, State};
use crate::decider::{Decider, fold};
use crate::ids::{QuoteId, TokenId};
use crate::intents::demand::Demand;
use crate::money::{Asset, Units};
use crate::pair::{Direction, Pair, Side};
use crate::port::feeds::QuoteRequest;
use crate::port::venue::ExactSide;
use crate::testing::given;
use crate::time::Timestamp;
use quickcheck::{Arbitrary, Gen, quickcheck};

const DEFAULT_WINDOW_MS: u64 = 3_000;
const I128_MAX: &str = "170141183460469231731687303715884105727";
const ONE_MORE: &str = "170141183460469231731687303715884105728";

fn token(text: &str) -> TokenId {
    text.to_owned().try_into().unwrap()
}

fn quote(text: &str) -> QuoteId {
    text.to_owned().try_into().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn btc_eure() -> Pair {
    let side = |symbol: &str, decimals, tokens: &[&str]| Side {
        asset: Asset { symbol: symbol.to_owned(), decimals },
        tokens: tokens.iter().map(|text| token(text)).collect(),
    };
    Pair {
        id: "btc-eure".to_owned().try_into().unwrap(),
        base: side("BTC", 8, &["nbtc", "legacy"]),
        quote: side("EURe", 18, &["eure"]),
    }
}

/// 0.001 BTC for EURe, and no more said than must be.
fn request(quote_id: &str) -> QuoteRequest {
    QuoteRequest {
        quote_id: quote(quote_id),
        token_in: token("nbtc"),
        token_out: token("eure"),
        exact_amount_in: Some("100000".to_owned()),
        exact_amount_out: None,
        min_deadline_ms: None,
        min_wait_ms: None,
        max_wait_ms: None,
        protocol_fee_included: false,
        partner_id: None,
        quote_type: None,
        dry: false,
        traceparent: None,
    }
}

fn demand(quote_id: &str) -> Demand {
    Demand {
        quote_id: quote(quote_id),
        pair: btc_eure().id,
        direction: Direction::BuyBase,
        token_in: token("nbtc"),
        token_out: token("eure"),
        exact: ExactSide::In,
        amount: Units::new(100_000),
        min_deadline_ms: 60_000,
        window_ms: DEFAULT_WINDOW_MS,
        closes_at: at(3_005),
        router_leg: false,
        partner_id: None,
        quote_type: None,
        probe: false,
        traceparent: None,
        received_at: at(5),
    }
}

fn receive_at(request: QuoteRequest, millis: i64) -> Command {
    Command::Receive {
        request: Box::new(request),
        frame: "{}".to_owned(),
        received_at: at(millis),
        pair: Box::new(btc_eure()),
        default_window_ms: DEFAULT_WINDOW_MS,
    }
}

fn receive(request: QuoteRequest) -> Command {
    receive_at(request, 5)
}

fn received(quote_id: &str) -> Event {
    Event::QuoteReceived(QuoteReceived {
        quote_id: quote(quote_id),
        frame: "{}".to_owned(),
        received_at: at(5),
    })
}

fn duplicate(quote_id: &str, same_content: bool, millis: i64) -> Event {
    Event::DuplicateReceived(DuplicateReceived {
        quote_id: quote(quote_id),
        same_content,
        frame: "{}".to_owned(),
        received_at: at(millis),
    })
}

/// What the request alone is taken to mean.
#[track_caller]
fn meant_by(request: QuoteRequest) -> Demand {
    match Intake::decide(&State::default(), receive(request)).unwrap().as_slice() {
        [Event::QuoteReceived(_), Event::DemandNormalised(demand)] => demand.clone(),
        other => panic!("no demand: {other:?}"),
    }
}

/// Why the request alone makes no sense.
#[track_caller]
fn fault_of(request: QuoteRequest) -> (Fault, String) {
    match Intake::decide(&State::default(), receive(request)).unwrap().as_slice() {
        [Event::QuoteReceived(_), Event::RequestRejected(rejected)] => {
            (rejected.fault, rejected.detail.clone())
        }
        other => panic!("no fault: {other:?}"),
    }
}

fn exact_in(text: &str) -> QuoteRequest {
    QuoteRequest { exact_amount_in: Some(text.to_owned()), ..request("q") }
}

fn window(min_wait_ms: Option<u64>, max_wait_ms: Option<u64>) -> QuoteRequest {
    QuoteRequest { min_wait_ms, max_wait_ms, ..request("q") }
}

#[test]
fn a_request_is_kept_word_for_word_and_normalised() {
    given::<Intake>([])
        .when(receive(request("q")))
        .then([received("q"), Event::DemandNormalised(demand("q"))]);
}

#[test]
fn everything_that_a_request_says_is_carried_over() {
    let said = QuoteRequest {
        token_in: token("eure"),
        token_out: token("legacy"),
        exact_amount_in: None,
        exact_amount_out: Some("7".to_owned()),
        min_deadline_ms: Some(90_000),
        min_wait_ms: Some(900),
        max_wait_ms: Some(1_900),
        protocol_fee_included: true,
        partner_id: Some("1click".to_owned()),
        quote_type: Some("main_quote".to_owned()),
        traceparent: Some("00-ab-cd-01".to_owned()),
        ..request("q")
    };
    let meant = Demand {
        direction: Direction::SellBase,
        token_in: token("eure"),
        token_out: token("legacy"),
        exact: ExactSide::Out,
        amount: Units::new(7),
        min_deadline_ms: 90_000,
        window_ms: 1_900,
        closes_at: at(1_905),
        router_leg: true,
        partner_id: Some("1click".to_owned()),
        quote_type: Some("main_quote".to_owned()),
        traceparent: Some("00-ab-cd-01".to_owned()),
        ..demand("q")
    };
    assert_eq!(meant_by(said), meant);
}

#[test]
fn dry_runs_and_questions_for_minimum_amounts_are_probes() {
    let typed = |quote_type: &str| QuoteRequest { quote_type: Some(quote_type.to_owned()), ..request("q") };
    assert!(meant_by(QuoteRequest { dry: true, ..request("q") }).probe);
    assert!(meant_by(typed("min_deposit_amount")).probe);
    assert!(meant_by(typed("min_withdrawal_amount")).probe);
    assert!(!meant_by(typed("main_quote")).probe);
    assert!(!meant_by(typed("after_deposit")).probe);
}

#[test]
fn exactly_one_side_must_be_fixed() {
    let both = QuoteRequest { exact_amount_out: Some("7".to_owned()), ..request("q") };
    assert_eq!(fault_of(both), (Fault::BothExact, "100000 in and 7 out".to_owned()));
    let neither = QuoteRequest { exact_amount_in: None, ..request("q") };
    assert_eq!(fault_of(neither), (Fault::NeitherExact, String::new()));
}

#[test]
fn an_amount_is_a_whole_number_of_base_units() {
    for text in ["", "-1", "+1", "1.0", "1e3", " 1", "0x10", "١", "NaN"] {
        assert_eq!(fault_of(exact_in(text)), (Fault::NotANumber, text.to_owned()));
    }
}

#[test]
fn an_amount_of_zero_is_no_demand() {
    for text in ["0", "000"] {
        assert_eq!(fault_of(exact_in(text)), (Fault::ZeroAmount, text.to_owned()));
    }
    assert_eq!(meant_by(exact_in("1")).amount, Units::new(1));
}

#[test]
fn an_amount_fits_the_venue_up_to_127_bits() {
    assert_eq!(meant_by(exact_in(I128_MAX)).amount, I128_MAX.parse().unwrap());
    assert_eq!(fault_of(exact_in(ONE_MORE)), (Fault::TooLarge, ONE_MORE.to_owned()));
    assert_eq!(fault_of(exact_in(&"9".repeat(78))).0, Fault::TooLarge);
    assert_eq!(fault_of(exact_in(&"9".repeat(79))).0, Fault::TooLarge);
}

#[test]
fn an_offending_text_is_cut_to_200_characters() {
    assert_eq!(fault_of(exact_in(&"ä".repeat(201))), (Fault::NotANumber, "ä".repeat(200)));
}

#[test]
fn a_request_that_names_no_window_gets_the_default() {
    assert_eq!(meant_by(window(None, None)).window_ms, DEFAULT_WINDOW_MS);
    assert_eq!(meant_by(window(Some(900), None)).window_ms, DEFAULT_WINDOW_MS);
}

#[test]
fn an_auction_closes_after_the_longest_wait() {
    for max_wait_ms in [1, 51, 1_900, WINDOW_MS_MAX] {
        let meant = meant_by(window(None, Some(max_wait_ms)));
        assert_eq!(meant.window_ms, max_wait_ms);
        assert_eq!(meant.closes_at, at(5).plus_millis(max_wait_ms));
    }
}

#[test]
fn wait_times_that_contradict_each_other_are_a_fault() {
    assert_eq!(meant_by(window(Some(900), Some(900))).window_ms, 900);
    let crossed = fault_of(window(Some(901), Some(900)));
    assert_eq!(crossed, (Fault::BadWindow, "min_wait_ms 901 is above max_wait_ms 900".to_owned()));
}

#[test]
fn a_window_of_nothing_or_of_ages_is_a_fault() {
    assert_eq!(fault_of(window(None, Some(0))).0, Fault::BadWindow);
    assert_eq!(fault_of(window(None, Some(WINDOW_MS_MAX + 1))).0, Fault::BadWindow);
    assert_eq!(fault_of(window(None, Some(u64::MAX))).0, Fault::BadWindow);
}

#[test]
fn a_senseless_request_is_kept_with_the_fault() {
    given::<Intake>([]).when(receive(exact_in("-1"))).then([
        received("q"),
        Event::RequestRejected(RequestRejected {
            quote_id: quote("q"),
            fault: Fault::NotANumber,
            detail: "-1".to_owned(),
            received_at: at(5),
        }),
    ]);
}

#[test]
fn a_request_for_another_pair_belongs_to_another_stream() {
    for (token_in, token_out) in [("nbtc", "legacy"), ("eure", "eure"), ("weth", "eure")] {
        let (token_in, token_out) = (token(token_in), token(token_out));
        let other = QuoteRequest { token_in: token_in.clone(), token_out: token_out.clone(), ..request("q") };
        let expected = Rejection::OtherPair { token_in, token_out, pair: btc_eure().id };
        given::<Intake>([]).when(receive(other)).then_rejected(expected);
    }
}

#[test]
fn the_same_request_again_is_a_duplicate_and_no_second_demand() {
    given::<Intake>([received("q"), Event::DemandNormalised(demand("q"))])
        .when(receive_at(request("q"), 9))
        .then([duplicate("q", true, 9)]);
}

#[test]
fn another_trace_is_no_other_content() {
    let traced = QuoteRequest { traceparent: Some("00-ab-cd-01".to_owned()), ..request("q") };
    given::<Intake>([received("q"), Event::DemandNormalised(demand("q"))])
        .when(receive_at(traced, 9))
        .then([duplicate("q", true, 9)]);
}

#[test]
fn the_same_id_with_other_content_is_a_duplicate_that_says_so() {
    let sides_swapped = QuoteRequest { token_in: token("eure"), token_out: token("nbtc"), ..request("q") };
    let other_side =
        QuoteRequest { exact_amount_in: None, exact_amount_out: Some("100000".to_owned()), ..request("q") };
    let others = [
        sides_swapped,
        other_side,
        exact_in("100001"),
        exact_in("-1"),
        window(None, Some(2_999)),
        QuoteRequest { token_in: token("legacy"), ..request("q") },
        QuoteRequest { min_deadline_ms: Some(60_001), ..request("q") },
        QuoteRequest { protocol_fee_included: true, ..request("q") },
        QuoteRequest { dry: true, ..request("q") },
        QuoteRequest { partner_id: Some(String::new()), ..request("q") },
        QuoteRequest { quote_type: Some("main_quote".to_owned()), ..request("q") },
    ];
    for other in others {
        given::<Intake>([received("q"), Event::DemandNormalised(demand("q"))])
            .when(receive_at(other, 9))
            .then([duplicate("q", false, 9)]);
    }
}

#[test]
fn a_word_is_not_taken_for_its_neighbour() {
    // Partner and kind, run together, are the same bytes, whatever stands between them.
    let said = |partner: &str, quote_type: &str| QuoteRequest {
        partner_id: Some(partner.to_owned()),
        quote_type: Some(quote_type.to_owned()),
        ..request("q")
    };
    let (first, second) = (said("a\u{1}b", "c"), said("a", "b\u{1}c"));
    given::<Intake>([Event::DemandNormalised(meant_by(first))])
        .when(receive_at(second, 9))
        .then([duplicate("q", false, 9)]);
}

#[test]
fn a_senseless_request_again_is_a_duplicate_too() {
    let events = Intake::decide(&State::default(), receive(exact_in("-1"))).unwrap();
    given::<Intake>(events.clone()).when(receive_at(exact_in("-1"), 9)).then([duplicate("q", true, 9)]);
    given::<Intake>(events).when(receive_at(exact_in("-2"), 9)).then([duplicate("q", false, 9)]);
}

#[test]
fn the_first_content_counts_whatever_the_duplicates_said() {
    let history = [received("q"), Event::DemandNormalised(demand("q")), duplicate("q", false, 9)];
    given::<Intake>(history).when(receive_at(request("q"), 10)).then([duplicate("q", true, 10)]);
}

#[test]
fn a_second_judgement_in_the_history_does_not_replace_the_first() {
    let other = Demand { amount: Units::new(1), ..demand("q") };
    given::<Intake>([Event::DemandNormalised(demand("q")), Event::DemandNormalised(other)])
        .when(receive_at(request("q"), 9))
        .then([duplicate("q", true, 9)]);
}

#[test]
fn the_newest_auctions_are_remembered_and_older_ones_forgotten() {
    let history = |others: usize| {
        let others = (0..others).map(|n| Event::DemandNormalised(demand(&n.to_string())));
        std::iter::once(Event::DemandNormalised(demand("first"))).chain(others).collect::<Vec<_>>()
    };
    let full = fold::<Intake>(&history(RECENT_QUOTES_MAX - 1));
    assert!(full.knows(&quote("first")));
    let over = fold::<Intake>(&history(RECENT_QUOTES_MAX));
    assert!(!over.knows(&quote("first")));
    assert!(over.knows(&quote("0")));
}

impl Arbitrary for Command {
    fn arbitrary(g: &mut Gen) -> Self {
        let amounts = ["100000", "0", "-1", "7", I128_MAX, ONE_MORE];
        let amount = |g: &mut Gen| Option::<u8>::arbitrary(g).map(|n| amounts[usize::from(n) % 6].to_owned());
        let id = *g.choose(&["a", "b", "c"]).unwrap();
        let request = QuoteRequest {
            token_out: token(g.choose(&["eure", "nbtc"]).unwrap()),
            exact_amount_in: amount(g),
            exact_amount_out: amount(g),
            min_wait_ms: Option::arbitrary(g),
            max_wait_ms: Option::arbitrary(g),
            min_deadline_ms: Option::arbitrary(g),
            dry: bool::arbitrary(g),
            partner_id: Option::arbitrary(g),
            ..request(id)
        };
        receive_at(request, i64::from(u16::arbitrary(g)))
    }
}

fn step(state: State, command: Command) -> (State, Result<Vec<Event>, Rejection>) {
    let answer = Intake::decide(&state, command);
    let state = answer.iter().flatten().fold(state, Intake::evolve);
    (state, answer)
}

/// A request that comes twice is a fact each time; what it leads to, and what is remembered, is not.
#[test]
fn repeating_a_command_changes_nothing_but_the_count_of_duplicates() {
    fn law(story: Vec<Command>, command: Command) -> bool {
        let state = story.into_iter().fold(State::default(), |state, command| step(state, command).0);
        let (after, answer) = step(state, command.clone());
        let (again, second) = step(after.clone(), command);
        let told = match (answer, second) {
            (Err(first), Err(second)) => first == second,
            (Ok(first), Ok(second)) => match (first.as_slice(), second.as_slice()) {
                ([Event::DuplicateReceived(first)], [Event::DuplicateReceived(second)]) => first == second,
                ([Event::QuoteReceived(_), _], [Event::DuplicateReceived(second)]) => second.same_content,
                _ => false,
            },
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        told && again == after
    }
    let law: fn(Vec<Command>, Command) -> bool = law;
    quickcheck(law);
}

#[test]
fn every_auction_leads_to_one_judgement() {
    fn law(story: Vec<Command>) -> bool {
        let mut judged = vec![];
        story.into_iter().fold(State::default(), |state, command| {
            let (state, answer) = step(state, command);
            for event in answer.iter().flatten() {
                match event {
                    Event::DemandNormalised(demand) => judged.push(demand.quote_id.clone()),
                    Event::RequestRejected(rejected) => judged.push(rejected.quote_id.clone()),
                    Event::QuoteReceived(_) | Event::DuplicateReceived(_) => {}
                }
            }
            state
        });
        let count = judged.len();
        judged.sort();
        judged.dedup();
        judged.len() == count
    }
    let law: fn(Vec<Command>) -> bool = law;
    quickcheck(law);
}
