//! JSON queries, as bleve reads them. What kind of query an object is, one of its keys says; keys that the kind does not
//! know are passed over. An object that is no query finds nobody, as in the Go program.

use super::json::{Json, Text, Value};
use super::range::{self, End, Range};
use super::{Bool, Clauses, Field, Fuzziness, Kind, Query, QueryError, string};
use crate::search::limits;
use crate::search::pattern::Pattern;

/// Reads the query that is the whole text.
pub(super) fn parse(value: &Value, clauses: &mut Clauses) -> Result<Query, QueryError> {
    let object = Object::of(value)?;
    if object.names_a_query() { object.query(0, clauses) } else { Ok(Query::new(value.at, Kind::Nothing)) }
}

/// Reads a query within another.
fn part(value: &Value, depth: usize, clauses: &mut Clauses) -> Result<Query, QueryError> {
    if depth > limits::DEPTH {
        return Err(QueryError::at(value.at, format!("queries may be nested {} deep, not deeper", limits::DEPTH)));
    }
    let object = Object::of(value)?;
    if !object.names_a_query() {
        let kinds = KINDS.join(", ");
        return Err(QueryError::at(value.at, format!("a query is expected: an object with one of the keys {kinds}")));
    }
    object.query(depth, clauses)
}

/// The keys that make an object a query.
const KINDS: [&str; 19] = [
    "query",
    "match",
    "match_phrase",
    "term",
    "fuzzy",
    "prefix",
    "wildcard",
    "regexp",
    "min",
    "max",
    "start",
    "end",
    "conjuncts",
    "disjuncts",
    "must",
    "should",
    "must_not",
    "match_all",
    "match_none",
];

/// The same, for those that are too rare to be told of.
const RARE_KINDS: [&str; 1] = ["ids"];

/// An object that is read as a query.
struct Object<'a> {
    at: usize,
    members: &'a [(String, Value)],
}

impl<'a> Object<'a> {
    fn of(value: &'a Value) -> Result<Self, QueryError> {
        match &value.json {
            Json::Object(members) => Ok(Self { at: value.at, members }),
            other => Err(QueryError::at(value.at, format!("a query is an object, and this is {}", other.kind()))),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn names_a_query(&self) -> bool {
        KINDS.iter().chain(&RARE_KINDS).any(|kind| self.has(kind))
    }

    fn query(&self, depth: usize, clauses: &mut Clauses) -> Result<Query, QueryError> {
        clauses.count(self.at)?;
        let kind = self.kind(depth, clauses)?;
        Ok(Query { kind, boost: self.boost()?, at: self.at })
    }

    /// The order is bleve's: where keys of several kinds are there, the first one here counts.
    fn kind(&self, depth: usize, clauses: &mut Clauses) -> Result<Kind, QueryError> {
        if let Some(text) = self.text("match")? {
            let (field, fuzziness) = (self.field()?, self.fuzziness(0)?);
            return Ok(Kind::Match { field, text: text.text.clone(), every: self.every()?, fuzziness });
        }
        if let Some(text) = self.text("match_phrase")? {
            return Ok(Kind::Phrase { field: self.field()?, text: text.text.clone() });
        }
        if let Some(text) = self.text("term")? {
            let (field, term) = (self.field()?, text.text.clone());
            return Ok(match self.has("fuzziness") {
                true => Kind::Fuzzy { field, term, fuzziness: self.fuzziness(1)? },
                false => Kind::Term { field, term },
            });
        }
        if let Some(text) = self.text("fuzzy")? {
            return Ok(Kind::Fuzzy { field: self.field()?, term: text.text.clone(), fuzziness: self.fuzziness(1)? });
        }
        if ["must", "should", "must_not"].into_iter().any(|key| self.has(key)) {
            return self.boolean(depth, clauses);
        }
        if let Some(queries) = self.queries("conjuncts", depth, clauses)? {
            return Ok(Kind::All(queries));
        }
        if let Some(queries) = self.queries("disjuncts", depth, clauses)? {
            let min = self.min(queries.len())?;
            return Ok(Kind::Any { queries, min });
        }
        if let Some(text) = self.text("query")? {
            let chars: Vec<char> = text.text.chars().collect();
            if chars.is_empty() {
                return Ok(Kind::Nothing);
            }
            let place = |at| text.place(at);
            let query = string::parse(&chars, clauses).map_err(|error| error.within(place))?;
            return Ok(query.within(&place).kind);
        }
        if self.has("min") || self.has("max") {
            let (min, max) = (self.number("min")?, self.number("max")?);
            return self.range(min, max, ("inclusive_min", "inclusive_max"));
        }
        if self.has("start") || self.has("end") {
            let (start, end) = (self.date("start")?, self.date("end")?);
            return self.range(start, end, ("inclusive_start", "inclusive_end"));
        }
        if let Some(text) = self.text("prefix")? {
            return Ok(Kind::Prefix { field: self.field()?, prefix: text.text.clone() });
        }
        if let Some(text) = self.text("regexp")? {
            let pattern = Pattern::regexp(&text.text)
                .map_err(|error| QueryError::at(error.offset, error.sentence).within(|at| text.place(at)))?;
            return Ok(Kind::Regexp { field: self.field()?, pattern });
        }
        if let Some(text) = self.text("wildcard")? {
            let chars: Vec<(char, bool)> = text.text.chars().map(|c| (c, false)).collect();
            return Ok(Kind::Wildcard { field: self.field()?, pattern: string::pieces(&chars) });
        }
        if self.has("match_all") {
            return Ok(Kind::Everything);
        }
        if let Some(value) = self.get("ids") {
            return Ok(Kind::Ids(texts(value, clauses)?));
        }
        Ok(Kind::Nothing)
    }

    fn boolean(&self, depth: usize, clauses: &mut Clauses) -> Result<Kind, QueryError> {
        let mut all = Bool::default();
        all.must.extend(self.group("must", depth, clauses)?.map(|(queries, _)| queries).into_iter().flatten());
        if let Some((queries, min)) = self.group("should", depth, clauses)? {
            (all.should, all.min) = (queries, min);
        }
        all.must_not.extend(self.group("must_not", depth, clauses)?.map(|(queries, _)| queries).into_iter().flatten());
        Ok(Kind::Bool(Box::new(all)))
    }

    /// The queries of `must`, `should` or `must_not`, and how many of them must hold if that is said: those of an
    /// array, or one query, of which a disjunction in `should` is taken apart.
    fn group(&self, key: &str, depth: usize, clauses: &mut Clauses) -> Result<Option<(Vec<Query>, usize)>, QueryError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let Json::Array(values) = &value.json {
            let queries = values.iter().map(|value| part(value, depth + 1, clauses)).collect::<Result<_, _>>()?;
            return Ok(Some((queries, 0)));
        }
        let mut query = part(value, depth + 1, clauses)?;
        Ok(Some(match query.kind {
            Kind::Any { queries, min } if key == "should" && query.boost == 1.0 => (queries, min),
            kind => {
                query.kind = kind;
                (vec![query], 0)
            }
        }))
    }

    fn queries(&self, key: &str, depth: usize, clauses: &mut Clauses) -> Result<Option<Vec<Query>>, QueryError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value { json: Json::Array(values), .. }) => {
                values.iter().map(|value| part(value, depth + 1, clauses)).collect::<Result<_, _>>().map(Some)
            }
            Some(value) => Err(expected(value, "an array of queries", key)),
        }
    }

    fn field(&self) -> Result<Field, QueryError> {
        // An empty name is none, as in Go.
        Ok(self.text("field")?.map(|text| text.text.clone()).filter(|name| !name.is_empty()))
    }

    fn text(&self, key: &str) -> Result<Option<&'a Text>, QueryError> {
        match self.get(key) {
            None | Some(Value { json: Json::Null, .. }) => Ok(None),
            Some(Value { json: Json::Text(text), .. }) => Ok(Some(text)),
            Some(value) => Err(expected(value, "a string", key)),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, QueryError> {
        match self.get(key) {
            None | Some(Value { json: Json::Null, .. }) => Ok(default),
            Some(Value { json: Json::Bool(flag), .. }) => Ok(*flag),
            Some(value) => Err(expected(value, "true or false", key)),
        }
    }

    fn number(&self, key: &str) -> Result<Option<range::Value>, QueryError> {
        match self.get(key) {
            None | Some(Value { json: Json::Null, .. }) => Ok(None),
            Some(value @ Value { json: Json::Number(text), .. }) => {
                range::Value::number(text).map(Some).ok_or_else(|| expected(value, "a number", key))
            }
            Some(value) => Err(expected(value, "a number", key)),
        }
    }

    fn count(&self, key: &str, default: usize) -> Result<usize, QueryError> {
        match self.get(key) {
            None | Some(Value { json: Json::Null, .. }) => Ok(default),
            Some(value @ Value { json: Json::Number(text), .. }) => {
                text.parse().map_err(|_| expected(value, "a whole number that is not negative", key))
            }
            Some(value) => Err(expected(value, "a whole number", key)),
        }
    }

    fn date(&self, key: &str) -> Result<Option<range::Value>, QueryError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let no_date = "a date is expected, as 2016-02-25 or 2016-02-25T12:31:33Z";
        range::Value::date(&text.text).map(Some).ok_or_else(|| QueryError::at(text.place(0), no_date))
    }

    /// The first end is included and the last is not, unless it is said otherwise, as in bleve.
    fn range(
        &self,
        min: Option<range::Value>,
        max: Option<range::Value>,
        (includes_min, includes_max): (&str, &str),
    ) -> Result<Kind, QueryError> {
        let (includes_min, includes_max) = (self.flag(includes_min, true)?, self.flag(includes_max, false)?);
        let min = min.map(|value| End { value, inclusive: includes_min });
        let max = max.map(|value| End { value, inclusive: includes_max });
        Ok(Kind::Range { field: self.field()?, range: Range::between(min, max) })
    }

    /// How many of a disjunction must hold.
    fn min(&self, of: usize) -> Result<usize, QueryError> {
        // A float in bleve, so that 2.0 is as good as 2.
        let min = match self.number("min")?.map(range::Value::count) {
            None => 0,
            Some(Some(min)) => min,
            Some(None) => self.count("min", 0)?,
        };
        match self.get("min") {
            Some(value) if min > of => {
                Err(QueryError::at(value.at, format!("{min} must hold, and there are only {of}; give fewer")))
            }
            _ => Ok(min),
        }
    }

    fn every(&self) -> Result<bool, QueryError> {
        let Some(operator) = self.text("operator")? else { return Ok(false) };
        match operator.text.as_str() {
            "or" => Ok(false),
            "and" => Ok(true),
            _ => Err(QueryError::at(operator.place(0), "the operator is \"or\" or \"and\"")),
        }
    }

    fn fuzziness(&self, default: u8) -> Result<Fuzziness, QueryError> {
        let edits = self.count("fuzziness", default.into())?;
        let at = self.get("fuzziness").map_or(self.at, |value| value.at);
        let edits = u8::try_from(edits).ok().filter(|edits| *edits <= limits::FUZZINESS);
        let edits = edits.ok_or_else(|| QueryError::at(at, super::fuzziness_expected()))?;
        Ok(Fuzziness { edits, prefix: self.count("prefix_length", 0)? })
    }

    fn boost(&self) -> Result<f32, QueryError> {
        match self.get("boost") {
            None | Some(Value { json: Json::Null, .. }) => Ok(1.0),
            Some(Value { at, json: Json::Number(text) }) => {
                super::boost(text).ok_or_else(|| QueryError::at(*at, super::boost_expected()))
            }
            Some(value) => Err(expected(value, "a number", "boost")),
        }
    }
}

fn texts(value: &Value, clauses: &mut Clauses) -> Result<Vec<String>, QueryError> {
    let Json::Array(values) = &value.json else { return Err(expected(value, "an array of strings", "ids")) };
    let text = |value: &Value| match &value.json {
        Json::Text(text) => clauses.count(value.at).map(|()| text.text.clone()),
        _ => Err(expected(value, "a string", "ids")),
    };
    values.iter().map(text).collect()
}

fn expected(value: &Value, what: &str, key: &str) -> QueryError {
    QueryError::at(value.at, format!("{what} is expected for {key:?}, and this is {}", value.json.kind()))
}
