//! Recipients as a table: its columns, and how a list fits a cell.
//!
//! The items of a list are separated by `;`. A backslash takes the next character as it is: `\;` is a semicolon and `\\` a
//! backslash that belong to a name. Blanks around an item mean nothing, unless a backslash stands before them.

use std::borrow::Cow;

/// The columns, in the order in which they are written. An imported table may have any of them in any order; `id` it
/// must have.
pub(crate) const COLUMNS: [&str; 7] = ["id", "email", "nickname", "phoneNumber", "senders", "tags", "createdAt"];

const SEPARATOR: char = ';';
const ESCAPE: char = '\\';

/// The items of a cell. What is not an item at all (nothing between two separators) is passed over.
pub(crate) fn items(cell: &str) -> Vec<Cow<'_, str>> {
    let mut items = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in cell.char_indices() {
        if escaped {
            escaped = false;
        } else if c == ESCAPE {
            escaped = true;
        } else if c == SEPARATOR {
            items.extend(item(&cell[start..at]));
            start = at + c.len_utf8();
        }
    }
    items.extend(item(&cell[start..]));
    items
}

/// One item, without the blanks around it and without its escapes.
fn item(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim_start();
    if !text.contains(ESCAPE) {
        return Some(text.trim_end()).filter(|text| !text.is_empty()).map(Cow::Borrowed);
    }
    let mut plain = String::with_capacity(text.len());
    let mut kept = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // An escape at the very end escapes nothing: it is a backslash.
            ESCAPE => plain.push(chars.next().unwrap_or(ESCAPE)),
            c => {
                plain.push(c);
                if c.is_whitespace() {
                    continue;
                }
            }
        }
        kept = plain.len();
    }
    plain.truncate(kept);
    Some(plain).filter(|plain| !plain.is_empty()).map(Cow::Owned)
}

/// A cell that holds these items, and from which [`items`] reads them.
pub(crate) fn cell<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut cell = String::new();
    for item in items {
        if !cell.is_empty() {
            cell.push(SEPARATOR);
        }
        let trimmed = item.trim();
        let blank_before = item.len() - item.trim_start().len();
        let blank_after = blank_before + trimmed.len();
        for (at, c) in item.char_indices() {
            if c == SEPARATOR || c == ESCAPE || at < blank_before || at >= blank_after {
                cell.push(ESCAPE);
            }
            cell.push(c);
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_is_meant() {
        for (cell, read) in [
            ("", &[][..]),
            ("sendmail", &["sendmail"]),
            ("sendmail;sendsms", &["sendmail", "sendsms"]),
            (" sendmail ; send sms ;", &["sendmail", "send sms"]),
            (";;a;", &["a"]),
            (r"a\;b;c\\;d", &["a;b", r"c\", "d"]),
            (r"\ a\ ; \;", &[" a ", ";"]),
            (r"a\ ", &["a "]),
            (r"a\", &[r"a\"]),
            ("日本; ✓", &["日本", "✓"]),
        ] {
            assert_eq!(items(cell), read, "{cell:?}");
        }
    }

    #[test]
    fn any_items_come_back_as_they_went() {
        let odd = [" ", ";", r"\", r"\;", "a b", " a", "a ", "\n", "a;b", "\"", "日本", "\u{3000}x\u{a0}", ",", r"\ "];
        for item in odd {
            assert_eq!(items(&cell([item].into_iter())), [item], "{item:?}");
        }
        assert_eq!(items(&cell(odd.into_iter())), odd);
        assert_eq!(cell(["sendmail", "sendsms"].into_iter()), "sendmail;sendsms");
    }
}
