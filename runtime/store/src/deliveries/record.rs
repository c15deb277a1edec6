//! How a delivery is encoded, and its keys.
//!
//! The record is a version byte, the number of the pushall that it is of (0: of none) and the [`Delivery`], both in
//! postcard's format; what is in the key counts there.

use periodic::{Clock, SystemClock};
use pusher_core::{Delivery, DeliveryState, StoreError};
use serde::{Deserialize, Serialize};

use crate::error::corrupt;

const VERSION: u8 = 1;
const MICROS_PER_MILLI: u64 = 1000;

/// The states in which a delivery has a record, in the order of their keys.
pub(super) const KEPT: [DeliveryState; 5] = [
    DeliveryState::Accepted,
    DeliveryState::Waiting,
    DeliveryState::Cancelled,
    DeliveryState::Dead,
    DeliveryState::Delivered,
];

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The number of the pushall that it is of; 0: of none. Pushalls may have a name in common.
    pub(crate) pushall: u32,
    pub(crate) delivery: Delivery,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) state: DeliveryState,
    pub(super) number: u64,
}

impl Place {
    /// The key: a byte for the state, then the number.
    pub(super) fn key(self) -> [u8; 9] {
        let mut key = [self.state_byte(); 9];
        key[1..].copy_from_slice(&self.number.to_be_bytes());
        key
    }

    pub(super) fn state_byte(self) -> u8 {
        KEPT.iter().position(|state| *state == self.state).unwrap_or(0) as u8
    }

    pub(super) fn of_key(key: &[u8]) -> Option<Self> {
        let (&state, number) = key.split_first()?;
        let state = *KEPT.get(usize::from(state))?;
        Some(Self { state, number: u64::from_be_bytes(number.try_into().ok()?) })
    }

    /// The time that the number stands for, in Unix milliseconds.
    pub(super) fn millis(self) -> i64 {
        number_millis(self.number)
    }
}

/// The time that a number stands for, in Unix milliseconds.
pub(crate) fn number_millis(number: u64) -> i64 {
    i64::try_from(number / MICROS_PER_MILLI).unwrap_or(i64::MAX)
}

/// The first number of this time, which is in Unix milliseconds.
pub(crate) fn millis_number(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(MICROS_PER_MILLI)
}

/// The number of this moment.
pub(super) fn number_now() -> u64 {
    millis_number(SystemClock.now_ms())
}

pub(super) fn encode(kept: &Kept, to: &mut Vec<u8>) -> Result<(), StoreError> {
    to.clear();
    to.push(VERSION);
    let written = postcard::to_extend(kept, std::mem::take(to));
    *to = written.map_err(|error| StoreError::Failed(format!("a delivery cannot be written: {error}")))?;
    Ok(())
}

pub(super) fn decode(place: Place, bytes: &[u8]) -> Result<Kept, StoreError> {
    let unreadable = |reason: String| corrupt(format!("delivery {} {}", place.state, place.number), reason);
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            let kept: Kept = postcard::from_bytes(rest).map_err(|error| unreadable(error.to_string()))?;
            let delivery = Delivery { state: place.state, changed_at: place.millis(), ..kept.delivery };
            Ok(Kept { delivery, ..kept })
        }
        _ => Err(unreadable("it is of no version that is known".into())),
    }
}
