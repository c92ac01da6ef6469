//! The small words of both directions: moments, ids, enums.

use crate::dto;
use crate::problem::Problem;
use prost_types::Timestamp as Moment;
use stele_domain::pair::Direction;
use stele_domain::time::Timestamp;
use stele_proto::api::v1 as pb;
use uuid::Uuid;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
const NANOS_PER_SECOND: i32 = 1_000_000_000;

pub(crate) fn moment(at: Timestamp) -> Moment {
    let micros = at.micros();
    let rest = micros.rem_euclid(MICROS_PER_SECOND);
    let nanos = i32::try_from(rest).unwrap_or(0) * NANOS_PER_MICRO;
    Moment { seconds: micros.div_euclid(MICROS_PER_SECOND), nanos }
}

pub(crate) fn moment_or_none(at: Option<Timestamp>) -> Option<Moment> {
    at.map(moment)
}

/// What is finer than a microsecond is cut off, as in RFC 3339 text.
pub(crate) fn timestamp(field: &str, at: Moment) -> Result<Timestamp, Problem> {
    let in_range = (0..NANOS_PER_SECOND).contains(&at.nanos);
    // The first moment of all begins in a second that does not fit.
    let micros =
        i128::from(at.seconds) * i128::from(MICROS_PER_SECOND) + i128::from(at.nanos / NANOS_PER_MICRO);
    let moment = i64::try_from(micros).ok().filter(|_| in_range).and_then(Timestamp::of_micros);
    moment.ok_or_else(|| {
        Problem::field(field, "is no moment between the years 0000 and 9999, told in seconds and nanoseconds")
    })
}

/// The id of a wish, which every wish over gRPC must bring.
pub(crate) fn idempotency_key(text: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(text.trim()).map_err(|_| Problem::field("idempotency_key", "must be a UUID"))
}

/// The number of things on a page, for the desk to judge; `default` when nobody says.
pub(crate) fn page_size(asked: Option<u32>, default: usize) -> usize {
    asked.map_or(default, |asked| usize::try_from(asked).unwrap_or(usize::MAX))
}

/// A page that is refused: what the desk calls by its own names has other names here.
pub(crate) fn page_refused(problem: Problem) -> Problem {
    problem.renamed("limit", "page_size").renamed("cursor", "page_token")
}

pub(crate) fn as_of(position: u64, head: u64) -> pb::AsOf {
    pb::AsOf { position, head, time: None }
}

/// The same of a past state, with when its last event was written down.
pub(crate) fn as_of_then(position: u64, time: Option<Timestamp>, head: u64) -> pb::AsOf {
    pb::AsOf { time: moment_or_none(time), ..as_of(position, head) }
}

pub(crate) fn token_amount(amount: &dto::TokenAmount) -> pb::TokenAmount {
    pb::TokenAmount { token: amount.token.clone(), amount: amount.amount.clone() }
}

/// A direction by its name; unspecified for a name that this build does not know.
pub(crate) fn direction_named(name: &str) -> pb::Direction {
    let known = Direction::ALL.into_iter().find(|direction| direction.name() == name);
    known.map_or(pb::Direction::Unspecified, direction)
}

pub(crate) fn direction(direction: Direction) -> pb::Direction {
    match direction {
        Direction::BuyBase => pb::Direction::BuyBase,
        Direction::SellBase => pb::Direction::SellBase,
    }
}

#[cfg(test)]
mod tests {
    use super::{moment, timestamp};
    use prost_types::Timestamp as Moment;
    use stele_domain::time::Timestamp;

    #[test]
    fn every_microsecond_goes_out_and_comes_back_the_same() {
        fn law(micros: i64) -> bool {
            let at = Timestamp::from_micros(micros);
            timestamp("at", moment(at)).is_ok_and(|back| back == at)
        }
        quickcheck::quickcheck(law as fn(i64) -> bool);
    }

    #[test]
    fn what_is_no_moment_is_refused_by_its_name() {
        let milliseconds = 1_763_680_000_000;
        let beyond = [(milliseconds, 0), (253_402_300_800, 0), (-62_167_219_201, 0)];
        for (seconds, nanos) in [(i64::MAX, 0), (i64::MIN, 0), (0, -1), (0, 1_000_000_000), (1, i32::MAX)]
            .into_iter()
            .chain(beyond)
        {
            let refused = timestamp("until", Moment { seconds, nanos }).unwrap_err();
            assert_eq!(refused.said().errors[0].field, "until", "{seconds} {nanos}");
        }
    }
}
