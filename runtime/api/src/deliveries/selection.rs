//! The JSON bodies of what is done to many deliveries: which of them, and how many at once.

use pusher_core::{DeliveryFilter, DeliveryState, JobName, PusherId, SenderName};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::moment::Moment;
use crate::openapi::shapes;

/// How many are done in one request, unless it says otherwise.
const DEFAULT_LIMIT: usize = 1000;
/// The most that are, so that a request is answered in time.
const MAX_LIMIT: usize = 10_000;

/// Which deliveries something is done to: those that are all that is said, or all there are. One of them at least must
/// be said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    /// All there are. Nothing that narrows it may be given then, `state` aside.
    #[serde(default)]
    all: Option<bool>,
    /// The one of this name, over each sender.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, examples("lupino_5d41402abc4b2a76b9719d911017c592"))]
    name: Option<JobName>,
    /// Those over this channel.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 180, examples("sendmail"))]
    sender: Option<SenderName>,
    /// Those to this recipient.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 222)]
    pusher: Option<PusherId>,
    /// Those of pushalls that were for exactly this tag, or expression of tags.
    tag: Option<String>,
    /// Those of this pushall.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    pushall: Option<JobName>,
    /// Those that were given up for a reason with this text in it.
    error: Option<String>,
    /// Those that came to stand where they stand at this time or later.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = shapes::since)]
    since: Option<Moment>,
    /// Those that did before this time.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = shapes::until)]
    until: Option<Moment>,
    /// Those that stand there, if what is done can be done to them.
    #[schema(value_type = Option<String>, pattern = "^(accepted|sending|waiting|delivered|dead|cancelled)$")]
    state: Option<DeliveryState>,
    /// How many at most; more than 10,000 are 10,000. The answer says if there are more.
    #[schema(minimum = 1, default = 1000)]
    limit: Option<i64>,
}

impl Selection {
    /// Which they are and how many of them, if something is said that narrows them, or that it is to be all.
    /// `can` says whether it can be done to what stands there, and `what` is that, for the sentence if it cannot.
    pub(crate) fn narrowed(
        self,
        can: impl Fn(DeliveryState) -> bool,
        what: &str,
    ) -> Result<(DeliveryFilter, usize), ApiError> {
        let Self { all, name, sender, pusher, tag, pushall, error, since, until, state, limit } = self;
        let all = all.unwrap_or(false);
        if let Some(state) = state.filter(|state| !can(*state)) {
            return Err(ApiError::bad_request(format!("what is {state} cannot be {what}")));
        }
        if error.as_ref().is_some_and(String::is_empty) {
            return Err(ApiError::bad_request(
                "error is empty, which every reason has in it; leave it out to mean all",
            ));
        }
        let (since, until) = (since.map(|moment| moment.millis), until.map(|moment| moment.millis));
        let narrow = DeliveryFilter { name, sender, pusher, tag, pushall, error, since, until, ..Default::default() };
        match (all, narrow == DeliveryFilter::default()) {
            (false, true) => {
                let advice = "say which: name, sender, pusher, tag, pushall, error, since or until; or {\"all\": true}";
                return Err(ApiError::bad_request(advice));
            }
            (true, false) => return Err(ApiError::bad_request("say all, or which; not both")),
            (true, true) | (false, false) => {}
        }
        Ok((DeliveryFilter { state, ..narrow }, batch(limit)?))
    }
}

/// A delivery to move to another time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// Its name.
    #[schema(value_type = String, min_length = 1, max_length = 255, examples("lupino_5d41402abc4b2a76b9719d911017c592"))]
    pub(crate) name: JobName,
    /// The channel, if the same message waits over several.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 180)]
    pub(crate) sender: Option<SenderName>,
    /// When to send it: Unix seconds or RFC 3339; 0 or the past: now.
    #[schema(schema_with = shapes::schedat, required = true)]
    pub(crate) schedat: Moment,
}

/// What is old enough to be forgotten. One of the two times at least must be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prune {
    /// Forget what was delivered or cancelled before this time.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = shapes::delivered_before)]
    pub(crate) delivered: Option<Moment>,
    /// Forget what was given up before this time.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = shapes::dead_before)]
    pub(crate) dead: Option<Moment>,
    /// How many at most; more than 10,000 are 10,000. The answer says if there may be more.
    #[schema(minimum = 1, default = 1000)]
    pub(crate) limit: Option<i64>,
}

/// A time: where the key is, it must be one.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    Moment::deserialize(deserializer).map(Some)
}

/// How many are done in one request that says this of it.
pub(crate) fn batch(limit: Option<i64>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(..=0) => Err(ApiError::bad_request("limit must be at least 1")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT)),
    }
}
