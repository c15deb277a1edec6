//! Texts with the recipient's fields in them, as applications of the Go program write them.
//!
//! ```
//! use pusher_sender_sdk::{pushers::Pusher, template::Template};
//!
//! # let pusher = Pusher {
//! #     id: "1".into(), email: String::new(), nickname: "Ada".into(), phone_number: String::new(),
//! #     senders: vec![], tags: vec!["vip".into(), "uk".into()], created_at: 0,
//! # };
//! let text = "Hello {{if .NickName}}{{.NickName}}{{else}}you{{end}}:{{range .Tags}} {{.}}{{end}}";
//! assert_eq!(Template::go(text)?.render(&pusher)?, "Hello Ada: vip uk");
//! # Ok::<(), pusher_sender_sdk::template::Error>(())
//! ```
//!
//! # What a Go template may say
//!
//! | form | means |
//! | --- | --- |
//! | `{{.ID}} {{.Email}} {{.NickName}} {{.PhoneNumber}} {{.CreatedAt}}` | the field |
//! | `{{.Senders}} {{.Tags}}` | the list, as Go prints it: `[a b]` |
//! | `{{if .X}} … {{else if .Y}} … {{else}} … {{end}}` | whether the field is there: not empty, not 0 |
//! | `{{range .Senders}} … {{.}} … {{else}} … {{end}}` | each item of a list; `else` if there is none |
//! | `{{$.X}}` | the field, also inside a `range` |
//! | `{{- … -}}` | the same, with the white space on that side left out |
//! | `{{/* … */}}` | nothing |
//!
//! Anything else between `{{` and `}}` is an [`Error`]; what stands outside is text, whatever it looks like. Nothing is
//! escaped: the Go program used `text/template`.
//!
//! [`Template::jinja`] takes the whole language of [minijinja](https://docs.rs/minijinja) instead, for a sender's own
//! texts, with the same field names.

mod go;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, context};

use crate::pushers::Pusher;

/// A text that cannot be rendered: a form that is not understood, or a field that there is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the template {}", self.0)
    }
}

impl std::error::Error for Error {}

impl From<minijinja::Error> for Error {
    fn from(error: minijinja::Error) -> Self {
        Self(format!("cannot be rendered: {error}"))
    }
}

/// A text to fill in.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
}

const NAME: &str = "text";

impl Template {
    /// Parses a Go template: the forms listed at [the top](self).
    ///
    /// # Errors
    /// [`Error`] if it says anything else; a sender then sends the text as it stands, as the Go program does.
    pub fn go(text: &str) -> Result<Self, Error> {
        Self::jinja(&go::translate(text).map_err(Error)?)
    }

    /// Parses a minijinja template.
    ///
    /// # Errors
    /// [`Error`] if it is not one.
    pub fn jinja(text: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build()?);
        environment.set_formatter(print);
        environment.add_template_owned(NAME, text.to_owned())?;
        Ok(Self { environment })
    }

    /// Fills in a recipient's fields.
    ///
    /// # Errors
    /// [`Error`] if the text names a field that there is not.
    pub fn render(&self, pusher: &Pusher) -> Result<String, Error> {
        let fields = context! {
            ID => &pusher.id,
            Email => &pusher.email,
            NickName => &pusher.nickname,
            PhoneNumber => &pusher.phone_number,
            Senders => &pusher.senders,
            Tags => &pusher.tags,
            CreatedAt => pusher.created_at,
        };
        Ok(self.environment.get_template(NAME)?.render(fields)?)
    }
}

/// Prints a value as Go does.
fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        ValueKind::Seq => {
            let items: Vec<_> = value.try_iter()?.map(|item| item.to_string()).collect();
            write!(out, "[{}]", items.join(" "))?;
        }
        _ => write!(out, "{value}")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pusher() -> Pusher {
        Pusher {
            id: "lupino".into(),
            email: "a@b.c".into(),
            nickname: "<Lu & Pino>".into(),
            phone_number: String::new(),
            senders: vec!["sendmail".into(), "sendsms".into()],
            tags: vec![],
            created_at: 1_456_403_493,
        }
    }

    fn render(text: &str) -> Result<String, Error> {
        Template::go(text)?.render(&pusher())
    }

    #[test]
    fn fields_are_filled_in_and_nothing_is_escaped() {
        assert_eq!(
            render("{{.ID}} {{ .Email }} {{.NickName}} [{{.PhoneNumber}}] {{.CreatedAt}}").unwrap(),
            "lupino a@b.c <Lu & Pino> [] 1456403493"
        );
    }

    #[test]
    fn lists_are_printed_as_go_prints_them() {
        assert_eq!(render("{{.Senders}} {{.Tags}}").unwrap(), "[sendmail sendsms] []");
    }

    #[test]
    fn conditions_ask_whether_a_field_is_there() {
        assert_eq!(
            render("{{if .NickName}}a{{end}}{{if .PhoneNumber}}b{{end}}{{if .CreatedAt}}c{{end}}").unwrap(),
            "ac"
        );
        assert_eq!(render("{{if .Tags}}a{{else if .Email}}b{{else}}c{{end}}").unwrap(), "b");
    }

    #[test]
    fn ranges_go_through_a_list() {
        assert_eq!(
            render("{{range .Senders}}<{{.}} of {{$.ID}}>{{end}}").unwrap(),
            "<sendmail of lupino><sendsms of lupino>"
        );
        assert_eq!(render("{{range .Tags}}x{{else}}none{{end}}").unwrap(), "none");
        assert_eq!(
            render("{{range .Senders}}{{range $.Senders}}{{.}}{{end}}{{.}}{{end}}").unwrap(),
            "sendmailsendsmssendmailsendmailsendsmssendsms"
        );
    }

    #[test]
    fn white_space_is_left_out_where_told_and_kept_elsewhere() {
        assert_eq!(render("a \n{{- .ID -}}\n b\n").unwrap(), "alupinob\n");
        assert_eq!(render("a\n{{if .ID}}\nb\n{{end}}\nc\n\n").unwrap(), "a\n\nb\n\nc\n\n");
        assert_eq!(render("a {{- /* nothing */ -}} b{{/* at all */}}").unwrap(), "ab");
    }

    #[test]
    fn what_looks_like_jinja_is_text() {
        let text = "{% if %} {# not a comment #} } }} %} #} { {";
        assert_eq!(render(text).unwrap(), text);
        assert_eq!(render("#a{#b} {%c%}{{.ID}}{%").unwrap(), "#a{#b} {%c%}lupino{%");
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in [
            "{{",
            "{{}}",
            "{{.ID",
            "{{ID}}",
            "{{.ID.X}}",
            "{{. ID}}",
            "{{.ID | len}}",
            "{{printf \"%s\" .ID}}",
            "{{if}}x{{end}}",
            "{{if .ID}}",
            "{{end}}",
            "{{else}}",
            "{{range .Senders}}",
            "{{if .ID}}a{{else}}b{{else}}c{{end}}",
            "{{$x := .ID}}",
            "{{/* open",
            "{{with .ID}}{{.}}{{end}}",
            "{{-.ID}}",
            "{{if .ID}}a{{else}}b{{else if .ID}}c{{end}}",
            "{{range .Tags}}{{else if .ID}}{{end}}",
        ] {
            assert!(Template::go(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_that_there_is_not_is_an_error_when_rendered() {
        assert!(render("{{.Nickname}}").is_err());
        assert!(render("{{if .Nickname}}{{end}}").is_err());
        assert!(render("{{range .Senders}}{{.ID}}{{end}}").is_err());
    }

    #[test]
    fn jinja_has_the_same_fields() {
        let template = Template::jinja("{% for s in Senders %}{{ s|upper }} {% endfor %}{{ NickName }}").unwrap();
        assert_eq!(template.render(&pusher()).unwrap(), "SENDMAIL SENDSMS <Lu & Pino>");
    }
}
