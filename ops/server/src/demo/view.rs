//! What one sees of a demo: headings that tell the story, a ledger of what happens, and two live lines at the foot
//! when there is a terminal. Silent for programs.

pub(crate) mod footer;
pub(crate) mod ledger;
pub(crate) mod paint;
pub(crate) mod words;

use paint::{Line, Tone, wrapped};
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Width of headings, and of texts where there is no terminal to ask.
const WIDTH: usize = 100;
/// The narrowest terminal that lines are cut for.
const WIDTH_MIN: usize = 40;
/// Time between two drawings of the foot.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Width of the time before a line of the ledger, in seconds and tenths.
const TIME: usize = 5;
/// Indent of a heading's text.
const INDENT: usize = 4;

const CURSOR_OFF: &str = "\x1b[?25l";
const CURSOR_ON: &str = "\x1b[?25h";
/// To the start of the line, and clear everything below.
const CLEAR_DOWN: &str = "\r\x1b[J";

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A program: nothing is shown.
    Program,
    /// A file or a pipe.
    Paper,
    /// A terminal.
    Terminal,
}

/// The view.
pub(crate) struct View {
    reader: Reader,
    coloured: bool,
    began: Instant,
    drawn: Option<Instant>,
    foot: usize,
    closed: bool,
    /// Nobody reads any more.
    gone: bool,
}

impl View {
    /// A view on standard output; nothing is shown when a program reads.
    pub(crate) fn new(for_program: bool) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let reader = match (for_program, terminal) {
            (true, _) => Reader::Program,
            (false, true) => Reader::Terminal,
            (false, false) => Reader::Paper,
        };
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let reader = if reader == Reader::Terminal && dumb { Reader::Paper } else { reader };
        let coloured = reader == Reader::Terminal && !plain;
        let mut view = Self {
            reader,
            coloured,
            began: Instant::now(),
            drawn: None,
            foot: 0,
            closed: false,
            gone: false,
        };
        if reader == Reader::Terminal {
            view.put(CURSOR_OFF);
        }
        view
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// A heading with a few sentences.
    pub(crate) fn heading(&mut self, number: u8, title: &str, text: &str) {
        let title = format!("{number}  {title} ");
        let rule = "─".repeat(self.width().min(WIDTH).saturating_sub(title.chars().count()));
        self.print(&Line::new());
        self.print(&Line::new().with(Tone::Strong, title).with(Tone::Faint, rule));
        self.text(text);
        self.print(&Line::new());
    }

    /// Sentences under a heading.
    pub(crate) fn text(&mut self, text: &str) {
        for line in wrapped(text, INDENT, self.width().min(WIDTH)) {
            self.print(&Line::new().with(Tone::Plain, line));
        }
    }

    /// A line of the ledger, with the time since the start before it; cut to the terminal.
    pub(crate) fn entry(&mut self, line: Line) {
        let line = self.timed(line);
        let width = (self.reader == Reader::Terminal).then(|| self.width());
        self.put_line(&line, width);
    }

    /// Something that the demo itself does or sees, in the ledger, and whole.
    pub(crate) fn note(&mut self, word: &str, text: &str) {
        let line = Line::new().column(Tone::Faint, "", ledger::ID_CHARS);
        self.whole(line.column(Tone::Strong, word, ledger::WORD).with(Tone::Plain, text));
    }

    /// A line of the ledger that may be meant to be copied: never cut.
    pub(crate) fn whole(&mut self, line: Line) {
        let line = self.timed(line);
        self.put_line(&line, None);
    }

    /// A line as it is.
    pub(crate) fn print(&mut self, line: &Line) {
        self.put_line(line, None);
    }

    fn timed(&self, line: Line) -> Line {
        let elapsed = self.began.elapsed();
        let time = format!("{}.{}", elapsed.as_secs(), elapsed.subsec_millis() / 100);
        line.behind(Line::new().right(Tone::Faint, &time, TIME))
    }

    fn put_line(&mut self, line: &Line, width: Option<usize>) {
        if self.reader == Reader::Program {
            return;
        }
        let clear = self.clear();
        let text = line.render(self.coloured, width);
        self.put(&format!("{clear}{text}\n"));
        self.drawn = None;
    }

    /// Draws the foot when it is time to.
    pub(crate) fn foot(&mut self, lines: impl FnOnce(usize) -> [Line; 2]) {
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY);
        if self.reader != Reader::Terminal || self.closed || !due {
            return;
        }
        let width = self.width();
        let mut text = self.clear();
        let rule = Line::new().with(Tone::Faint, "─".repeat(width.min(WIDTH)));
        let [first, second] = lines(width);
        // The last line ends without a newline, so that nothing scrolls while it is drawn again.
        let shown = [rule, first, second].map(|line| line.render(self.coloured, Some(width)));
        text.push_str(&shown.join("\n"));
        self.put(&text);
        self.foot = shown.len();
        self.drawn = Some(Instant::now());
    }

    /// Takes the foot away and gives the terminal back.
    pub(crate) fn close(&mut self) {
        if self.reader == Reader::Terminal {
            let clear = self.clear();
            self.put(&format!("{clear}{CURSOR_ON}"));
        }
        // From here on it is a page like any other.
        self.closed = true;
    }

    /// What removes the foot.
    fn clear(&mut self) -> String {
        let up = std::mem::take(&mut self.foot);
        match up.checked_sub(1) {
            None => String::new(),
            Some(0) => CLEAR_DOWN.to_owned(),
            Some(up) => format!("\x1b[{up}A{CLEAR_DOWN}"),
        }
    }

    fn width(&self) -> usize {
        if self.reader != Reader::Terminal {
            return WIDTH;
        }
        let size = tcgetwinsize(std::io::stdout()).ok();
        size.map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0)
            .map_or(WIDTH, |width| width.max(WIDTH_MIN))
    }

    fn put(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        self.gone |= out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err();
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if !self.closed {
            self.close();
        }
    }
}
