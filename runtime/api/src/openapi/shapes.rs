//! The shapes of core's types in replies. Core knows nothing of OpenAPI, so they are written down here; a test holds
//! them against what core serialises.

use utoipa::ToSchema;

use crate::binding::BindingError;
use crate::reply::Refused;

/// What is wrong with a push or pushall: a list if it does not bind, a sentence if a value cannot be.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the variants are read by the derive")]
pub(crate) enum NotBound {
    Binding(Vec<BindingError>),
    Refused(Refused<'static>),
}

/// A recipient.
#[derive(ToSchema)]
#[schema(as = Pusher)]
#[expect(dead_code, reason = "the fields are read by the derive")]
pub(crate) struct PusherShape {
    /// The application's own id for the recipient.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    id: String,
    /// E-mail address, or empty.
    #[schema(examples("lupino@example.com"))]
    email: String,
    /// Name to address the recipient by, or empty.
    nickname: String,
    /// Telephone number, or empty.
    #[schema(rename = "phoneNumber")]
    phone_number: String,
    /// The channels that are switched on, in the order they were added.
    #[schema(required = true, examples(json!(["sendmail"])))]
    senders: Option<Vec<String>>,
    /// The labels, in the order they were added.
    #[schema(required = true)]
    tags: Option<Vec<String>>,
    /// When the application says the recipient came to be, in Unix seconds; 0 if it does not say.
    #[schema(rename = "createdAt")]
    created_at: i64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pusher_core::{Pusher, PusherId};
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_shape_of_a_pusher_has_the_keys_that_core_writes() {
        let written = serde_json::to_value(Pusher::new(PusherId::parse("lupino").unwrap())).unwrap();
        let keys: BTreeSet<_> = written.as_object().unwrap().keys().cloned().collect();
        let shape = serde_json::to_value(PusherShape::schema()).unwrap();
        assert_eq!(shape["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), keys);
        let required = shape["required"].as_array().unwrap().iter().filter_map(|key| key.as_str());
        assert_eq!(required.map(ToOwned::to_owned).collect::<BTreeSet<_>>(), keys);
    }
}
