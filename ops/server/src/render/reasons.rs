//! Why the desk did not act, in a sentence for someone who has never seen it.

use stele_domain::trading::account::event::RefusalCode;
use stele_domain::trading::gate::Reason;

/// Why a decision was not to act.
pub(crate) fn skipped(reason: Reason) -> &'static str {
    match reason {
        Reason::Paused => "the strategy was paused, by an operator or because the tables could not be kept",
        Reason::Draining => "the strategy was draining: it finished what was open and took nothing new",
        Reason::Killed => {
            "the account had been killed: nothing is offered until an operator disarms and arms it again"
        }
        Reason::Disarmed => "the desk was disarmed: no operator had allowed offers",
        Reason::ArmingExpired => "the time for which an operator had allowed offers had run out",
        Reason::NoLimits => "no limits had been set, and without limits nothing is offered",
        Reason::Probe => "the request was a probe that nobody means to take, and probes are not answered",
        Reason::QuoteExpired => "the auction was over by the time it was decided",
        Reason::WindowTooShort => "the auction was too short for an offer to arrive in time",
        Reason::DeadlineTooLong => {
            "the taker asked for an offer that stays valid for too long: a free option on the price"
        }
        Reason::ClockSkew => "the desk's clock and the venue's were too far apart to trust any deadline",
        Reason::NoPrice => "no source had named a price yet",
        Reason::PriceStale => "the reference price was too old",
        Reason::PriceConflict => "the price sources contradicted each other",
        Reason::PegOutOfBand => "EURe was too far from a euro, or nobody could say how far",
        Reason::FallbackForbidden => "only the fallback source had a price, and the policy forbids using it",
        Reason::SpreadTooWide => "the spread of the reference price was too wide",
        Reason::NoInventory => "the balances were not known yet",
        Reason::InventoryStale => "the balances were too old",
        Reason::NoSigningKey => "the desk has no usable signing key",
        Reason::KeyNotRegistered => "the account at the verifier does not know the desk's key",
        Reason::AccountLocked => "the account at the verifier is locked",
        Reason::ContractPaused => "the verifier contract has paused the execution of intents",
        Reason::Unpriceable => "the price led to no amount that could be offered",
        Reason::EdgeTooSmall => "the edge was smaller than the limit asks for",
        Reason::NotionalTooSmall => "the trade was smaller than the limit allows",
        Reason::NotionalTooLarge => "the trade was larger than the limit allows",
        Reason::DirectionCap => "open offers in this direction left no room under the cap",
        Reason::TooManyOpen => "too many offers were open",
        Reason::PartnerCap => "too many offers of this partner's takers were open",
        Reason::OutcomeUnknown => "the outcome of too many earlier offers was unknown",
        Reason::CoolingDown => "the last settlement was too recent",
        Reason::NotReducing => "only trades towards the base target were allowed, and this was none",
        Reason::InsufficientInventory => "the credited balance did not cover what the desk would have given",
        Reason::PendingNotCredited => {
            "only a deposit that is not credited yet would have covered it, and only credited coin is spent"
        }
        Reason::Unanswered => "a gate could not be asked, and what is not known to be open is shut",
    }
}

/// Why the executor did not carry out a command.
pub(crate) fn refused(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::Disarmed => "the desk had been disarmed in the meantime",
        RefusalCode::Killed => "the desk had been killed in the meantime",
        RefusalCode::LeaseLost => "another instance holds the right to sign, or it had lapsed",
        RefusalCode::LimitsChanged => "the limits had changed in the meantime",
        RefusalCode::InsufficientInventory => "the credited balance did not cover it any more",
        RefusalCode::InventoryStale => "the balances had become too old",
        RefusalCode::NoRoom => "other offers had taken the room in the meantime",
        RefusalCode::QuoteTaken => "there was an offer for this quote already",
        RefusalCode::VenueBlocked => "the venue would have refused the signature",
        RefusalCode::ClockSkew => "the desk's clock and the venue's were too far apart",
        RefusalCode::CannotOffer => "the offer could not be worded or signed",
        RefusalCode::Paused => "the executor was paused or draining",
        RefusalCode::NotReducing => {
            "with everything that was open, the trade would not have moved towards the base target"
        }
        RefusalCode::CoolingDown => "an earlier offer had just been settled",
        RefusalCode::TermsDisagree => {
            "the order's own figures disagreed: its pair, tokens, amounts and notional"
        }
        RefusalCode::PriceDisagrees => {
            "the newest price did not bear the order out: it had gone, or the offer would have lost at it"
        }
    }
}
