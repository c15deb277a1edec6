//! The bodies of push and pushall: urlencoded, multipart or JSON, bound by the rules of the Go program's binding library
//! (mholt/binding) and refused in its words.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::{form, json, raw, reply};

/// The form of a push.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PushForm {
    pub(crate) pusher: String,
    pub(crate) data: String,
    pub(crate) sched_at: String,
    pub(crate) force: bool,
}

/// The form of a pushall.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PushAllForm {
    pub(crate) data: String,
    pub(crate) tag: String,
    pub(crate) sched_at: String,
}

/// A form that requests can be bound to, field by field.
pub(crate) trait Bindable: Default {
    /// What the Go program calls the form; its errors say so.
    const GO_NAME: &'static str;
    /// The fields, in the order in which errors are listed.
    const FIELDS: &'static [Field];

    /// Where the value of `FIELDS[at]` goes.
    fn slot(&mut self, at: usize) -> Slot<'_>;
}

/// A field of a form.
pub(crate) struct Field {
    /// Its name in forms; JSON keys match it whatever their case.
    pub(crate) name: &'static str,
    /// What the Go program calls it; its errors say so.
    pub(crate) go_name: &'static str,
    /// Must it be there and not be empty?
    required: bool,
}

/// Where a value goes, by its type.
pub(crate) enum Slot<'a> {
    Text(&'a mut String),
    Flag(&'a mut bool),
}

const PUSHER: Field = Field { name: "pusher", go_name: "Pusher", required: true };
const DATA: Field = Field { name: "data", go_name: "Data", required: true };
const TAG: Field = Field { name: "tag", go_name: "Tag", required: false };
const SCHED_AT: Field = Field { name: "schedat", go_name: "SchedAt", required: false };
const FORCE: Field = Field { name: "force", go_name: "Force", required: false };

impl Bindable for PushForm {
    const GO_NAME: &'static str = "pushForm";
    const FIELDS: &'static [Field] = &[PUSHER, DATA, SCHED_AT, FORCE];

    fn slot(&mut self, at: usize) -> Slot<'_> {
        match at {
            0 => Slot::Text(&mut self.pusher),
            1 => Slot::Text(&mut self.data),
            2 => Slot::Text(&mut self.sched_at),
            _ => Slot::Flag(&mut self.force),
        }
    }
}

impl Bindable for PushAllForm {
    const GO_NAME: &'static str = "pushAllForm";
    const FIELDS: &'static [Field] = &[DATA, TAG, SCHED_AT];

    fn slot(&mut self, at: usize) -> Slot<'_> {
        match at {
            0 => Slot::Text(&mut self.data),
            1 => Slot::Text(&mut self.tag),
            _ => Slot::Text(&mut self.sched_at),
        }
    }
}

/// Binds a request to the form `F`. The content type decides how; without one, a query will do.
pub(crate) async fn bind<F: Bindable>(request: Request, limit: usize) -> Result<F, ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    let says = |part: &str| content_type.windows(part.len()).any(|window| window == part.as_bytes());
    if says("form-urlencoded") {
        bind_form(request, limit).await
    } else if says("multipart/form-data") {
        // Larger than all else together, and every push would carry it along.
        Box::pin(bind_multipart(request, limit)).await
    } else if says("json") {
        let body = raw::read(request, limit).await?;
        Ok(validated(json::decode(&body).map_err(BindingErrors::deserialization)?, BindingErrors::default())?)
    } else if !content_type.is_empty() {
        Err(BindingErrors::content_type("Unsupported Content-Type").into())
    } else if form::pairs(request.uri().query().unwrap_or_default().as_bytes()).any(|pair| pair.is_ok()) {
        bind_form(request, limit).await
    } else {
        Ok(validated(F::default(), BindingErrors::content_type("Empty Content-Type"))?)
    }
}

/// The urlencoded body, if it is one, then the query; the first value of a name wins.
async fn bind_form<F: Bindable>(request: Request, limit: usize) -> Result<F, ApiError> {
    let (parts, body) = request.into_parts();
    let body = form::body_of(&parts.headers, body, limit).await?;
    let query = parts.uri.query().unwrap_or_default();
    let mut values = Values::<F>::new();
    for pair in form::pairs(&body).chain(form::pairs(query.as_bytes())) {
        let (name, value) = pair.map_err(BindingErrors::from)?;
        values.offer(&name, || value.into_owned());
    }
    Ok(values.bind()?)
}

/// The parts that are not files; the query is not looked at.
async fn bind_multipart<F: Bindable>(mut request: Request, limit: usize) -> Result<F, ApiError> {
    let headers = std::mem::take(request.headers_mut());
    let mut request = Request::new(Body::from(raw::read(request, limit).await?));
    *request.headers_mut() = headers;
    DefaultBodyLimit::disable().apply(&mut request); // Ours was kept just now.
    let Ok(mut multipart) = Multipart::from_request(request, &()).await else {
        return Err(BindingErrors::deserialization("no multipart boundary param in Content-Type").into());
    };
    let mut values = Values::<F>::new();
    let broken = |_| BindingErrors::deserialization("multipart: NextPart: EOF");
    while let Some(part) = multipart.next_field().await.map_err(broken)? {
        let is_file = part.file_name().is_some_and(|name| !name.is_empty());
        let Some(name) = part.name().filter(|_| !is_file).map(ToOwned::to_owned) else { continue };
        let value = part.bytes().await.map_err(broken)?;
        let value = String::from_utf8(value.into()).map_err(|_| BindingErrors::from(form::Fault::NotUtf8))?;
        values.offer(&name, || value);
    }
    Ok(values.bind()?)
}

/// No form has more fields.
const MOST_FIELDS: usize = 4;

/// The texts given for the fields of a form.
struct Values<F> {
    texts: [Option<String>; MOST_FIELDS],
    form: F,
}

impl<F: Bindable> Values<F> {
    fn new() -> Self {
        const { assert!(F::FIELDS.len() <= MOST_FIELDS) };
        Self { texts: [const { None }; MOST_FIELDS], form: F::default() }
    }

    /// Takes a value, if there is a field of this name and it has none yet.
    fn offer(&mut self, name: &str, value: impl FnOnce() -> String) {
        if let Some(at) = F::FIELDS.iter().position(|field| field.name == name) {
            self.texts[at].get_or_insert_with(value);
        }
    }

    fn bind(mut self) -> Result<F, BindingErrors> {
        let mut errors = BindingErrors::default();
        for (at, text) in self.texts.into_iter().enumerate() {
            let Some(text) = text else { continue };
            match self.form.slot(at) {
                Slot::Text(slot) => *slot = text,
                Slot::Flag(slot) => match parse_bool(&text) {
                    Some(flag) => *slot = flag,
                    None => errors.add(Some(F::FIELDS[at].name), Kind::Type, syntax_error(&text)),
                },
            }
        }
        validated(self.form, errors)
    }
}

/// The form, if nothing is wrong with it: neither `errors` nor a required field that is empty.
fn validated<F: Bindable>(mut form: F, mut errors: BindingErrors) -> Result<F, BindingErrors> {
    for (at, field) in F::FIELDS.iter().enumerate().filter(|(_, field)| field.required) {
        let empty = match form.slot(at) {
            Slot::Text(text) => text.is_empty(),
            Slot::Flag(flag) => !*flag,
        };
        if empty {
            errors.add(Some(field.name), Kind::Required, "Required");
        }
    }
    if errors.0.is_empty() { Ok(form) } else { Err(errors) }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn syntax_error(text: &str) -> String {
    format!("strconv.ParseBool: parsing {text:?}: invalid syntax")
}

/// All that is wrong with a request that does not bind.
#[derive(Debug, Default)]
pub(crate) struct BindingErrors(Vec<BindingError>);

/// One thing that is wrong with a request that does not bind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BindingError {
    /// The field it is about; absent if it is about the whole body.
    #[serde(rename = "fieldNames", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false, min_items = 1, max_items = 1)]
    field: Option<[&'static str; 1]>,
    classification: Kind,
    message: String,
}

/// What kind of thing is wrong, in the library's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BindingErrorKind)]
enum Kind {
    #[serde(rename = "ContentTypeError")]
    ContentType,
    #[serde(rename = "DeserializationError")]
    Deserialization,
    #[serde(rename = "RequiredError")]
    Required,
    #[serde(rename = "TypeError")]
    Type,
}

impl BindingErrors {
    fn deserialization(message: impl Into<String>) -> Self {
        Self::one(Kind::Deserialization, message)
    }

    fn content_type(message: &str) -> Self {
        Self::one(Kind::ContentType, message)
    }

    fn one(kind: Kind, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(None, kind, message);
        errors
    }

    fn add(&mut self, field: Option<&'static str>, kind: Kind, message: impl Into<String>) {
        let field = field.map(|name| [name]);
        self.0.push(BindingError { field, classification: kind, message: message.into() });
    }

    pub(crate) fn status(&self) -> StatusCode {
        let has = |kind| self.0.iter().any(|error| error.classification == kind);
        if has(Kind::ContentType) { StatusCode::UNSUPPORTED_MEDIA_TYPE } else { StatusCode::BAD_REQUEST }
    }
}

impl From<form::Fault> for BindingErrors {
    fn from(fault: form::Fault) -> Self {
        Self::deserialization(fault.to_string())
    }
}

impl IntoResponse for BindingErrors {
    fn into_response(self) -> Response {
        reply::json(self.status(), reply::BINDING_JSON, &self.0)
    }
}
