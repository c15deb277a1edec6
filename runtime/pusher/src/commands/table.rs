//! Tables for people: columns as wide as what is in them, and nothing in them that could move the cursor.

use unicode_width::UnicodeWidthStr;

/// The widest a column may be, in columns of the terminal; what is longer ends in `…`. The last one may be wider: it pushes
/// nothing aside, and what is to be copied stands there.
const MAX_WIDTH: usize = 40;
/// What stands between two columns.
const GAP: &str = "  ";

/// Rows under a head, as lines that end where their last word ends.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let head = head.map(ToOwned::to_owned);
    let rows: Vec<[String; N]> =
        std::iter::once(&head).chain(rows).map(|row| std::array::from_fn(|at| cell(&row[at], at + 1 == N))).collect();
    let widths: [usize; N] = std::array::from_fn(|at| rows.iter().map(|row| row[at].width()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (text, width) in row.iter().zip(widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', width - text.width()));
            line.push_str(GAP);
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `text` as it may be shown: on one line, and no longer than a column may be.
fn cell(text: &str, is_last: bool) -> String {
    let text = shown(text);
    if is_last || text.width() <= MAX_WIDTH {
        return text;
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.to_string().width() >= MAX_WIDTH {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

/// `text` with its control characters escaped: data comes from anywhere, and a terminal obeys what it is sent.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["lupino".to_owned(), String::new()], ["日本".to_owned(), "x".to_owned()]];
        assert_eq!(table(["ID", "TAGS"], &rows), ["ID      TAGS", "lupino", "日本    x"]);
    }

    #[test]
    fn a_long_cell_is_cut() {
        let line = |text: &str| table(["ID", "X"], &[[text.repeat(100), String::new()]]).pop().unwrap();
        assert_eq!(line("x"), format!("{}…", "x".repeat(MAX_WIDTH - 1)));
        let wide = line("日");
        assert!(wide.width() <= MAX_WIDTH && wide.ends_with('…'), "{wide}");
    }

    #[test]
    fn the_last_cell_is_whole() {
        let long = "x".repeat(100);
        assert_eq!(table(["A", "NAME"], &[["a".to_owned(), long.clone()]])[1], format!("a  {long}"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(shown("a\u{1b}[2Jb\nc\u{9b}d"), "a\\u{1b}[2Jb\\nc\\u{9b}d");
    }
}
