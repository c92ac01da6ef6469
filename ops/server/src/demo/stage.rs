//! The stage: the world, the desk, the operator and the view, and the one way to wait. Whatever the script waits
//! for, events are taken in, shown, and Ctrl-C is heard.

use super::desk::Desk;
use super::feed::{Feed, Heard};
use super::operator::{Operator, shown};
use super::place::Place;
use super::second::{self, Second};
use super::story::Story;
use super::view::footer::{self, Clock};
use super::view::paint::{Line, Tone};
use super::view::{View, ledger};
use super::world::World;
use crate::exit::Failure;
use crate::wiring::SystemClock;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use stele_domain::event::Event;
use stele_domain::market::event::Event as Market;
use stele_domain::market::reference::event::Event as Reference;
use stele_domain::port::clock::Clock as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// How often the foot is drawn, and conditions are looked at that no event tells of.
const TICK: Duration = Duration::from_millis(50);
/// Time between two prices in the ledger.
const PRICE_EVERY: Duration = Duration::from_secs(5);
/// How long a desk may take to be ready.
const READY_MAX: Duration = Duration::from_mins(1);

/// Why a run ends early.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Somebody wants it to end.
    Interrupted,
    /// It can't go on.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Everything that takes part.
pub(crate) struct Stage {
    pub place: Place,
    pub world: World,
    pub desk: Desk,
    pub operator: Operator,
    pub story: Story,
    pub view: View,
    /// Where the desk's log is for the second process.
    pub door: SocketAddr,
    /// Whoever follows the log from another process, once it does.
    pub second: Option<Second>,
    feed: Feed,
    interrupts: Interrupts,
    ticks: Interval,
    began: Instant,
    planned: Duration,
    price_shown: Option<Instant>,
    lost_shown: u64,
}

enum Moment {
    Interrupt,
    Over,
    Died(Failure),
    Heard(Result<Box<Heard>, Failure>),
    Tick,
}

impl Stage {
    pub(crate) fn new(
        place: Place,
        world: World,
        desk: Desk,
        door: SocketAddr,
        view: View,
        planned: Duration,
    ) -> Result<Self, Failure> {
        let operator = Operator::new(&place);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            feed: Feed::open(operator.client()),
            interrupts: Interrupts::listen()?,
            story: Story::default(),
            began: Instant::now(),
            price_shown: None,
            lost_shown: 0,
            second: None,
            door,
            place,
            world,
            desk,
            operator,
            view,
            ticks,
            planned,
        })
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What is left until a share of the planned time has gone, in percent.
    pub(crate) fn until_percent(&self, percent: u32) -> Duration {
        (self.planned * percent / 100).saturating_sub(self.elapsed())
    }

    /// Waits until something is so, at most so long. False when it did not come.
    pub(crate) async fn until(
        &mut self,
        at_most: Duration,
        done: impl Fn(&Story, &World) -> bool,
    ) -> Result<bool, Ended> {
        let over = Instant::now() + at_most;
        loop {
            if done(&self.story, &self.world) {
                return Ok(true);
            }
            let moment = tokio::select! {
                biased;
                () = self.interrupts.next() => Moment::Interrupt,
                () = tokio::time::sleep_until(over) => Moment::Over,
                heard = self.feed.next() => Moment::Heard(heard.map(Box::new)),
                died = self.desk.ended() => Moment::Died(died),
                _ = self.ticks.tick() => Moment::Tick,
            };
            self.rivals();
            match moment {
                Moment::Interrupt => return Err(Ended::Interrupted),
                Moment::Over => return Ok(done(&self.story, &self.world)),
                Moment::Died(failure) => return Err(failure.into()),
                Moment::Heard(heard) => {
                    let heard = heard?;
                    self.take(&heard);
                }
                Moment::Tick => {}
            }
            if self.view.is_gone() {
                return Err(Ended::Interrupted);
            }
            self.draw();
        }
    }

    /// Lets time go by.
    pub(crate) async fn pass(&mut self, time: Duration) -> Result<(), Ended> {
        self.until(time, |_, _| false).await.map(|_| ())
    }

    /// Does something that has an end of its own, and can be interrupted all the same.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ended> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = self.interrupts.next() => return Err(Ended::Interrupted),
                done = &mut work => return Ok(done),
                _ = self.ticks.tick() => self.draw(),
            }
        }
    }

    /// Starts the desk's process and waits until it is ready. Gives the process id.
    pub(crate) async fn start_desk(&mut self) -> Result<u32, Ended> {
        let pid = self.desk.start()?;
        let until = Instant::now() + READY_MAX;
        while !self.operator.ready().await {
            if Instant::now() >= until {
                let what = format!("the desk was not ready within {} s of its start", READY_MAX.as_secs());
                return Err(Failure::new(crate::exit::Code::Unavailable, what).into());
            }
            self.pass(TICK).await?;
        }
        Ok(pid)
    }

    /// Makes a key for the second process and starts it on the log of the desk that runs. Gives its process id.
    pub(crate) async fn start_second(&mut self) -> Result<u32, Ended> {
        let file = self.place.second_key_file();
        let mut words = second::KEY.to_vec();
        let shown = file.to_string_lossy();
        words.push(&shown);
        let made = self.operator.does(&self.desk, &words);
        tokio::select! {
            biased;
            () = self.interrupts.next() => return Err(Ended::Interrupted),
            made = made => made?,
        }
        let (second, pid) = Second::start(&self.desk, &self.place, self.door)?;
        self.second = Some(second);
        Ok(pid)
    }

    /// The operator runs the command line, and it is shown.
    pub(crate) async fn operate(&mut self, words: &[&str]) -> Result<(), Ended> {
        let line = Line::new().column(Tone::Faint, "", 6).column(Tone::Person, "operator", 9);
        self.view.whole(line.with(Tone::Person, format!("$ {}", shown(words))));
        tokio::select! {
            biased;
            () = self.interrupts.next() => Err(Ended::Interrupted),
            done = self.operator.does(&self.desk, words) => done.map_err(Ended::from),
        }
    }

    /// Closes the market. What is temporary goes with the stage.
    pub(crate) async fn leave(self) {
        self.world.stop().await;
    }

    fn take(&mut self, heard: &Heard) {
        self.story.take(heard.position, &heard.event);
        if let Event::Market(Market::Reference(Reference::ReferencePriced(priced))) = &heard.event {
            let due = self.price_shown.is_none_or(|shown| shown.elapsed() >= PRICE_EVERY);
            if due {
                self.view.entry(ledger::price(priced));
                self.price_shown = Some(Instant::now());
            }
        }
        if let Some(line) = ledger::line(&heard.event, &self.story, &heard.meta.actor) {
            self.view.entry(line);
        }
    }

    /// What the desk can't know: that an auction went to a rival. The market tells.
    fn rivals(&mut self) {
        let lost = self.world.summary().auctions.lost_to_rival;
        for _ in self.lost_shown..lost {
            self.view.note("rival", "won an auction in which the desk had offered: its price was better");
        }
        self.lost_shown = lost;
    }

    fn draw(&mut self) {
        let (story, desk) = (&self.story, &self.desk);
        let (elapsed, planned, lost_to_rival) = (self.began.elapsed(), self.planned, self.lost_shown);
        self.view.foot(|width| {
            let clock = Clock { now: SystemClock.now(), elapsed, planned, alive: desk.runs(), lost_to_rival };
            footer::lines(story, &clock, width)
        });
    }
}

/// The signals that end a run.
struct Interrupts {
    all: [Signal; 3],
}

impl Interrupts {
    fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(|error| Failure::error(&error));
        let all = [on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?];
        Ok(Self { all })
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.all;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
