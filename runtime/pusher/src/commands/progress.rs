//! How far it is, for a person who watches. Bars go to standard error, and only if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const BYTES: &str = "{bar:30} {bytes} of {total_bytes}, {msg}, {eta} left";
const COUNT: &str = "{spinner} {human_pos} done, {per_sec}";
const MESSAGES: &str = "{bar:30} {human_pos} of {human_len}, {msg}, {eta} left";

/// A bar for so many bytes.
pub(crate) fn bytes(length: u64) -> ProgressBar {
    bar(Some(length), BYTES)
}

/// A bar for the messages of a pushall, of which it is not known yet how many there are.
pub(crate) fn messages() -> ProgressBar {
    bar(Some(0), MESSAGES)
}

/// A count, with no end known yet.
pub(crate) fn count() -> ProgressBar {
    bar(None, COUNT)
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    // Standard error that is no terminal hides it.
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_the_form_it_is_given() {
        // A template that does not parse would leave the bar in its default form.
        for template in [BYTES, COUNT, MESSAGES] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
