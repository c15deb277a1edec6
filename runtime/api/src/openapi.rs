//! The API described for programs: an OpenAPI document made from the code that serves it.
//!
//! Each handler carries its own description, and [`routes`](crate::routes) mounts handlers by that description, so a
//! route cannot be served without being described. What is here is the frame around them: who we are, how requests are
//! signed, the answers that many operations share ([`refusals`]), and the shapes of what is sent ([`forms`]) and
//! answered ([`shapes`]).

pub(crate) mod forms;
pub(crate) mod refusals;
pub(crate) mod shapes;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};

use refusals::Refusal;

use crate::routes;

/// Groups of operations, by the handlers' modules.
pub(crate) const PUSHERS: &str = "pushers";
/// As [`PUSHERS`].
pub(crate) const SENDERS: &str = "senders";

/// As [`PUSHERS`].
pub(crate) const DELIVERIES: &str = "deliveries";

/// The content type of an HTML form, which is what the Go program's clients send.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The document of the whole API. Its one server is where `pusher serve` listens unless told otherwise; set
/// [`OpenApi::servers`] where it is known better.
#[must_use]
pub fn openapi() -> OpenApi {
    routes::documented().merge(routes::documented_bulk()).into_openapi()
}

/// The document without its paths.
pub(crate) fn frame() -> OpenApi {
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("pusher")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(include_str!("openapi/description.md").trim_end()))
                .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build()))
                .build(),
        )
        .servers(Some([ServerBuilder::new()
            .url("http://localhost:6000")
            .description(Some("where `pusher serve` listens unless told otherwise"))
            .build()]))
        .tags(Some([
            TagBuilder::new()
                .name(PUSHERS)
                .description(Some("Recipients, their contact fields and their tags."))
                .build(),
            TagBuilder::new()
                .name(SENDERS)
                .description(Some("Channels: switched on and off for a recipient, pushed over, cancelled."))
                .build(),
            TagBuilder::new()
                .name(DELIVERIES)
                .description(Some("What became of messages: listed, redriven, cancelled, moved, forgotten."))
                .build(),
        ]))
        .components(Some(components()))
        .security(Some(signing()))
        .build()
}

fn components() -> Components {
    let mut components = ComponentsBuilder::new();
    for refusal in Refusal::ALL {
        components = components.response(refusal.name(), refusal.response());
    }
    for (name, header, description) in [
        (APP_KEY, "X-App-Key", "Whose request it is: the key of a pair that the server was given."),
        (TIME, "X-Request-Time", "When it was signed, in Unix seconds; the server's clock may differ by ten minutes."),
        (
            NONCE,
            "X-Request-Nonce",
            "16 to 64 characters of `A-Za-z0-9_-` that were not used before; for `v2` signatures only.",
        ),
        (SIGNATURE, "X-Request-Signature", "`v2=` and 64 lower-case hex digits, or the 32 upper-case ones of `v1`."),
    ] {
        let value = ApiKeyValue::with_description(header, description);
        components = components.security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(value)));
    }
    components.build()
}

const APP_KEY: &str = "appKey";
const TIME: &str = "requestTime";
const NONCE: &str = "requestNonce";
const SIGNATURE: &str = "requestSignature";

/// How a request may be signed: not at all, by v1, or by v2. Which of them a server takes is its configuration.
fn signing() -> [SecurityRequirement; 3] {
    let none: [&str; 0] = [];
    let v1 = SecurityRequirement::new(APP_KEY, none).add(TIME, none).add(SIGNATURE, none);
    [SecurityRequirement::default(), v1.clone(), v1.add(NONCE, none)]
}
