//! A sender that does nothing but crash is parked: it gets no more jobs, and its messages wait instead of using up their
//! attempts (DESIGN §7).

use std::sync::atomic::{AtomicU32, Ordering};

use pusher_core::{Fault, Outcome, SendError};
use tokio_util::sync::CancellationToken;

/// So many crashes in a row park a sender.
const CRASHES: u32 = 10;

/// Counts a sender's crashes.
pub(crate) struct Parking {
    in_a_row: AtomicU32,
    parked: CancellationToken,
}

impl Parking {
    /// `parked` is cancelled when the sender is to get no more jobs.
    pub(crate) fn new(parked: CancellationToken) -> Self {
        Self { in_a_row: AtomicU32::new(0), parked }
    }

    /// Takes note of how an attempt ended. `Some`: this parked the sender, for this reason.
    ///
    /// An answer of any kind shows that the sender runs. Waiting too long is as a rule the provider's doing, and what the
    /// host could not do is no fault of the sender's: neither counts.
    pub(crate) fn note<'r>(&self, result: &'r Result<Outcome, SendError>) -> Option<&'r Fault> {
        match result {
            Ok(_) | Err(SendError::Failure(_)) => {
                self.in_a_row.store(0, Ordering::Relaxed);
                None
            }
            Err(SendError::Fault(Fault::Time(_) | Fault::Host(_))) => None,
            Err(SendError::Fault(fault @ (Fault::Trap(_) | Fault::Cpu(_) | Fault::Memory(_)))) => {
                let before = self.in_a_row.fetch_add(1, Ordering::Relaxed);
                (before + 1 == CRASHES).then(|| {
                    self.parked.cancel();
                    fault
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pusher_core::Failure;

    use super::*;

    fn crash() -> Result<Outcome, SendError> {
        Err(Fault::Trap("unreachable".into()).into())
    }

    #[test]
    fn ten_crashes_in_a_row_park_it_and_say_so_once() {
        let parking = Parking::new(CancellationToken::new());
        for _ in 1..CRASHES {
            assert_eq!(parking.note(&crash()), None);
        }
        assert!(!parking.parked.is_cancelled());
        assert_eq!(parking.note(&Err(Fault::Cpu(200).into())), Some(&Fault::Cpu(200)));
        assert!(parking.parked.is_cancelled());
        assert_eq!(parking.note(&crash()), None, "those that were under way");
    }

    #[test]
    fn an_answer_begins_the_count_anew_and_what_is_no_fault_of_its_own_does_not_count() {
        let parking = Parking::new(CancellationToken::new());
        for _ in 0..5 {
            for _ in 1..CRASHES {
                assert_eq!(parking.note(&crash()), None);
                assert_eq!(parking.note(&Err(Fault::Time(30_000).into())), None);
                assert_eq!(parking.note(&Err(Fault::Host("no room".into()).into())), None);
            }
            assert_eq!(parking.note(&Err(Failure::Permanent("no such address".into()).into())), None);
        }
        assert!(!parking.parked.is_cancelled());
    }
}
