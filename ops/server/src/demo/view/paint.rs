//! Coloured text of known width. Knows nothing of what it says.

/// What a piece of text is, for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it comes.
    Plain,
    /// Background.
    Faint,
    /// Background that is left out of a line that is too long.
    Extra,
    /// What counts in its line.
    Strong,
    /// Came out well.
    Good,
    /// Needs a look.
    Warn,
    /// Went wrong.
    Bad,
    /// Something the desk does.
    Act,
    /// Something a person does.
    Person,
}

impl Tone {
    /// The ANSI attributes.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Faint | Self::Extra => Some("2"),
            Self::Strong => Some("1"),
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("1;31"),
            Self::Act => Some("36"),
            Self::Person => Some("1;35"),
        }
    }
}

/// A line in the making.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    spans: Vec<(Tone, String)>,
}

/// Says that a line was cut.
const CUT: char = '…';
/// Stands for a control character.
const CONTROL: char = '·';

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With more text. What would move the cursor or change the terminal is made visible: replies and reasons
    /// come from outside.
    #[must_use]
    pub(crate) fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let harmless = |letter: char| if letter.is_control() { CONTROL } else { letter };
        self.spans.push((tone, text.as_ref().chars().map(harmless).collect()));
        self
    }

    /// With text in a column of at least `width`, and a gap behind it.
    #[must_use]
    pub(crate) fn column(self, tone: Tone, text: &str, width: usize) -> Self {
        let gap = width.saturating_sub(text.chars().count()).saturating_add(2);
        self.with(tone, text).with(Tone::Plain, " ".repeat(gap))
    }

    /// With text that ends in a column of `width`, and a gap behind it.
    #[must_use]
    pub(crate) fn right(self, tone: Tone, text: &str, width: usize) -> Self {
        let gap = width.saturating_sub(text.chars().count());
        self.with(Tone::Plain, " ".repeat(gap)).with(tone, format!("{text}  "))
    }

    /// This line behind another one.
    #[must_use]
    pub(crate) fn behind(self, mut before: Self) -> Self {
        before.spans.extend(self.spans);
        before
    }

    /// How many columns it takes. Nothing here writes a character that is wider than one.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// The line as text: cut to `width` when one is given, coloured when the reader wants colours.
    pub(crate) fn render(&self, coloured: bool, width: Option<usize>) -> String {
        let room = width.unwrap_or(usize::MAX);
        let without = |tone: Tone| self.spans.iter().filter(move |(other, _)| *other != tone);
        let leaves_out = (self.width() > room).then_some(Tone::Extra);
        let shown: Vec<_> =
            leaves_out.map_or_else(|| self.spans.iter().collect(), |tone| without(tone).collect());
        let is_cut = shown.iter().map(|(_, text)| text.chars().count()).sum::<usize>() > room;
        let mut left = if is_cut { room.saturating_sub(1) } else { room };
        let mut out = String::new();
        for (tone, text) in shown {
            let shown: String = text.chars().take(left).collect();
            left = left.saturating_sub(shown.chars().count());
            match tone.code().filter(|_| coloured && !shown.is_empty()) {
                Some(code) => out.extend(["\x1b[", code, "m", &shown, "\x1b[0m"]),
                None => out.push_str(&shown),
            }
        }
        if is_cut && room > 0 {
            out.push(CUT);
        }
        out.truncate(out.trim_end_matches(' ').len());
        out
    }
}

/// Breaks sentences into lines of at most `width` columns, each behind an indent.
pub(crate) fn wrapped(text: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        let begun = line.chars().count() > indent;
        if begun && line.chars().count().saturating_add(word.chars().count()) >= width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        } else if begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Prices as a row of blocks, lowest to highest, at most `width` of the newest.
pub(crate) fn sparkline(values: &[i128], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let (Some(low), Some(high)) = (values.iter().min(), values.iter().max()) else { return String::new() };
    let range = high.saturating_sub(*low).max(1);
    let block = |value: &i128| {
        let step = value.saturating_sub(*low).saturating_mul(7) / range;
        usize::try_from(step).ok().and_then(|step| BLOCKS.get(step)).copied().unwrap_or('▁')
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::{Line, Tone, sparkline, wrapped};

    #[test]
    fn a_cut_line_is_as_wide_as_its_room_and_says_that_it_was_cut() {
        let line = Line::new().column(Tone::Act, "offer", 8).with(Tone::Plain, "124.80 EURe");
        assert_eq!(line.width(), 21);
        assert_eq!(line.render(false, Some(12)), "offer     1…");
        assert_eq!(line.render(false, Some(21)), "offer     124.80 EURe");
        assert_eq!(line.render(false, Some(0)), "");
    }

    #[test]
    fn extras_are_left_out_before_anything_is_cut() {
        let line = Line::new().with(Tone::Act, "gives 5 EURe").with(Tone::Extra, ", edge 2.11%");
        assert_eq!(line.render(false, Some(24)), "gives 5 EURe, edge 2.11%");
        assert_eq!(line.render(false, Some(20)), "gives 5 EURe");
        assert_eq!(line.render(false, Some(8)), "gives 5…");
    }

    #[test]
    fn text_from_outside_can_t_steer_the_terminal() {
        let line = Line::new().with(Tone::Plain, "late\u{1b}[2J\r\nstele: all is well");
        assert_eq!(line.render(false, None), "late·[2J··stele: all is well");
    }

    #[test]
    fn without_colours_there_is_no_escape_sequence() {
        let line = Line::new().with(Tone::Bad, "killed");
        assert_eq!(line.render(false, None), "killed");
        assert_eq!(line.render(true, None), "\u{1b}[1;31mkilled\u{1b}[0m");
    }

    #[test]
    fn sentences_are_broken_between_words_and_never_longer_than_the_width() {
        assert_eq!(wrapped("nobody has armed it", 2, 12), ["  nobody has", "  armed it"]);
        assert_eq!(wrapped("a_word_that_is_too_long is kept whole", 1, 10)[0], " a_word_that_is_too_long");
    }

    #[test]
    fn a_sparkline_shows_the_newest_values_and_survives_a_flat_market() {
        assert_eq!(sparkline(&[1, 2, 3, 4, 5, 6, 7, 8], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[9, 1, 8], 2), "▁█");
        assert_eq!(sparkline(&[5, 5], 8), "▁▁");
        assert_eq!(sparkline(&[], 8), "");
    }
}
