//! A JSON body bound to a form as Go's encoding/json binds it: keys match whatever their case, unknown keys are passed
//! over, the last value of a key wins, `null` leaves what is there, and what follows the first value is not read.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::binding::{Bindable, Slot};
use crate::json_syntax;

/// Reads `body` into a form. An empty body is an empty form.
///
/// # Errors
/// The sentence that Go's decoder would say, if the body is not JSON or a value has the wrong type.
pub(crate) fn decode<F: Bindable>(body: &[u8]) -> Result<F, String> {
    let body = body.trim_ascii_start();
    let mut form = F::default();
    if body.is_empty() {
        return Ok(form);
    }
    let mut decoder = serde_json::Deserializer::from_slice(body);
    let decoded = if body.starts_with(b"{") {
        let mut mismatch = None;
        let target = Target { form: &mut form, mismatch: &mut mismatch };
        target.deserialize(&mut decoder).map(|()| mismatch)
    } else {
        Value::deserialize(&mut decoder).map(|value| value.is_no_object::<F>())
    };
    match decoded {
        Ok(None) => Ok(form),
        Ok(Some(mismatch)) => Err(mismatch),
        Err(error) => Err(json_syntax::complaint(body).unwrap_or_else(|| error.to_string())),
    }
}

/// The form that is being filled, and the first value that did not fit it.
struct Target<'a, F> {
    form: &'a mut F,
    mismatch: &'a mut Option<String>,
}

impl<F: Bindable> Target<'_, F> {
    fn set(&mut self, key: &str, value: Value) {
        let Some(at) = F::FIELDS.iter().position(|field| field.name.eq_ignore_ascii_case(key)) else { return };
        let (kind, wanted) = match (self.form.slot(at), value) {
            (_, Value::Null) => return,
            (Slot::Text(slot), Value::Text(text)) => return *slot = text,
            (Slot::Flag(slot), Value::Bool(flag)) => return *slot = flag,
            (Slot::Text(_), other) => (other.kind(), "string"),
            (Slot::Flag(_), other) => (other.kind(), "bool"),
        };
        let (form, field) = (F::GO_NAME, F::FIELDS[at].go_name);
        self.mismatch.get_or_insert_with(|| {
            format!("json: cannot unmarshal {kind} into Go struct field {form}.{field} of type {wanted}")
        });
    }
}

impl<'de, F: Bindable> DeserializeSeed<'de> for Target<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Bindable> Visitor<'de> for Target<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.set(&key, map.next_value()?);
        }
        Ok(())
    }
}

/// A JSON value, as far as a field can use it.
enum Value {
    Null,
    Bool(bool),
    Number,
    Text(String),
    Array,
    Object,
}

impl Value {
    /// What Go's errors call it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number => "number",
            Self::Text(_) => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// What Go says of a body that is this and not an object; `null` is fine.
    fn is_no_object<F: Bindable>(&self) -> Option<String> {
        let (kind, form) = (self.kind(), F::GO_NAME);
        (kind != "null").then(|| format!("json: cannot unmarshal {kind} into Go value of type pusher.{form}"))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::PushForm;

    fn push(body: &str) -> Result<PushForm, String> {
        decode(body.as_bytes())
    }

    #[test]
    fn keys_match_whatever_their_case_and_the_last_value_wins() {
        let expected = PushForm { pusher: "b".into(), data: "x".into(), sched_at: "5".into(), force: true };
        let body = r#" {"PUSHER":"a","pusher":"b","Data":"x","data":null,"SchedAt":"5","force":true,"n":[1,{}]} rest"#;
        assert_eq!(push(body), Ok(expected));
    }

    #[test]
    fn nothing_and_null_are_an_empty_form() {
        for body in ["", " \n", "null", "{}"] {
            assert_eq!(push(body), Ok(PushForm::default()), "{body:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_in_gos_words() {
        for (body, sentence) in [
            (r#"{"data":{"a":1}}"#, "json: cannot unmarshal object into Go struct field pushForm.Data of type string"),
            (r#"{"schedat":5}"#, "json: cannot unmarshal number into Go struct field pushForm.SchedAt of type string"),
            (
                r#"{"force":"true","data":[]}"#,
                "json: cannot unmarshal string into Go struct field pushForm.Force of type bool",
            ),
            ("[1,2]", "json: cannot unmarshal array into Go value of type pusher.pushForm"),
            ("true", "json: cannot unmarshal bool into Go value of type pusher.pushForm"),
        ] {
            assert_eq!(push(body), Err(sentence.to_owned()), "{body}");
        }
    }

    #[test]
    fn malformed_json_is_refused_even_after_a_value_of_the_wrong_type() {
        assert_eq!(push(r#"{"data":1,"#), Err("unexpected EOF".to_owned()));
        assert!(decode::<PushForm>(b"{\"data\":\"\xff\"}").is_err());
    }
}
