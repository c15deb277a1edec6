//! A query as a short text, for expectations that can be read.

use std::fmt::Write;

use crate::search::query::{Bool, Field, Fuzziness, Kind, Piece, Query, Range};

/// The shape of a query, without where its parts are.
pub(super) fn shape(query: &Query) -> String {
    let mut out = kind(&query.kind);
    if query.boost != 1.0 {
        _ = write!(out, "^{}", query.boost);
    }
    out
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Everything => "everything".into(),
        Kind::Nothing => "nothing".into(),
        Kind::Match { field, text, every, fuzziness } => {
            let every = if *every { "-all" } else { "" };
            format!("(match{every}{} {} {text:?})", fuzzy(*fuzziness), named(field))
        }
        Kind::Phrase { field, text } => format!("(phrase {} {text:?})", named(field)),
        Kind::Term { field, term } => format!("(term {} {term:?})", named(field)),
        Kind::Fuzzy { field, term, fuzziness } => format!("(fuzzy{} {} {term:?})", fuzzy(*fuzziness), named(field)),
        Kind::Prefix { field, prefix } => format!("(prefix {} {prefix:?})", named(field)),
        Kind::Wildcard { field, pattern } => format!("(wildcard {} {})", named(field), pieces(pattern)),
        Kind::Regexp { field, pattern } => format!("(regexp {} {} steps)", named(field), pattern.insts().len()),
        Kind::Range { field, range: Range { first, last } } => {
            let end = |n: i64| if n == i64::MIN || n == i64::MAX { String::new() } else { n.to_string() };
            format!("(range {} {}..{})", named(field), end(*first), end(*last))
        }
        Kind::Ids(ids) => format!("(ids {ids:?})"),
        Kind::All(queries) => list("all", queries),
        Kind::Any { queries, min } => list(&if *min > 1 { format!("any-{min}") } else { "any".into() }, queries),
        Kind::Bool(clauses) => boolean(clauses),
    }
}

/// A query string that has nothing but optional clauses is an `or`; all else shows its parts.
fn boolean(clauses: &Bool) -> String {
    let Bool { must, should, min, must_not, lenient } = clauses;
    if *lenient && must.is_empty() && must_not.is_empty() {
        return list("or", should);
    }
    let mut parts = Vec::new();
    let min = if *min > 0 { format!("-{min}") } else { String::new() };
    for (name, queries) in [("must", must), (&*format!("should{min}"), should), ("not", must_not)] {
        if !queries.is_empty() {
            parts.push(list(name, queries));
        }
    }
    format!("({})", parts.join(" "))
}

fn list(name: &str, queries: &[Query]) -> String {
    let queries: String = queries.iter().map(|query| format!(" {}", shape(query))).collect();
    format!("({name}{queries})")
}

fn named(field: &Field) -> &str {
    field.as_deref().unwrap_or("_")
}

fn fuzzy(fuzziness: Fuzziness) -> String {
    match fuzziness {
        Fuzziness { edits: 0, .. } => String::new(),
        Fuzziness { edits, prefix: 0 } => format!("~{edits}"),
        Fuzziness { edits, prefix } => format!("~{edits}/{prefix}"),
    }
}

fn pieces(pattern: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Char(c @ ('*' | '?')) => format!("\\{c}"),
        Piece::Char(c) => c.to_string(),
        Piece::One => "?".into(),
        Piece::Many => "*".into(),
    };
    pattern.iter().map(piece).collect()
}
