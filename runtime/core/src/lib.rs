//! The words and the rules of pusher.
//!
//! This crate is the middle of the house: the words of the trade as types ([`Pusher`], [`Message`], [`Outcome`],
//! [`JobName`] …), the ports through which the rest of the world is reached ([`Storer`], [`Search`], [`Queue`],
//! [`Sender`], [`Pushers`]), and what can be done with them ([`Service`]: create, tag, push, pushall, cancel, fan out; [`RetryPolicy`]).
//! It opens no socket and no file and reads no clock, so every rule here can be tested without any of them.

mod accepted;
mod audience;
mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod delivery;
mod digest;
mod fan_out;
pub mod gojson;
mod histogram;
mod job_name;
mod message;
mod ports;
mod pusher;
mod retry;
mod service;
pub mod signing;
mod words;

pub use accepted::Accepted;
pub use audience::{Audience, MAX_TAG_EXPR_BYTES, TagExpr, TagExprError};
pub use change::{
    Applied, Change, ContactFields, Limit, MAX_CONTACT_BYTES, MAX_SENDERS, MAX_TAGS, PusherChange, PusherFields,
};
pub use cursor::{Cursor, CursorError};
pub use delivery::{
    Attempt, Attempted, Delivery, DeliveryCursor, DeliveryCursorError, DeliveryEvent, DeliveryFilter, DeliveryLog,
    DeliveryPage, DeliveryState, MAX_ATTEMPT_TEXT, MAX_KEPT_ATTEMPTS, Note, Once, Page, PushAll, PushAllCounts,
    PushAllCursor, PushAllCursorError, PushAllPage, PushAllState, Report, Reported, Retention, SendEnd, StateError,
    cut_text,
};
pub use fan_out::{FanOutProgress, FanOutRequest, MAX_FAN_OUT};
pub use histogram::{Distribution, Histogram};
pub use job_name::{JobName, NameError};
pub use message::{Failure, Fault, Message, Outcome, SendError, Sent};
pub use ports::{
    JobKey, NewJob, PushRequest, Pushers, PushersError, Queue, QueueError, Scope, Search, SearchError, Sender,
    StoreError, Storer,
};
pub use pusher::{Pusher, PusherList, PusherPage};
pub use retry::{BreakerPolicy, RateLimit, RetryPolicy, Verdict};
pub use service::{Changed, PushAllStatus, Service, ServiceError};
pub use words::{
    FuncName, MAX_ID_BYTES, MAX_PREFIX_BYTES, MAX_SENDER_BYTES, MAX_TAG_BYTES, Prefix, PusherId, SenderName, Tag,
    WordError,
};
