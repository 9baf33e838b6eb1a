//! How far it is, for whoever waits at a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on the standard error, which is not drawn unless that is a terminal.
pub(crate) fn bar(len: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len}, {eta} left");
    ProgressBar::new(len).with_style(style.expect("a template in order")).with_message(what)
}
