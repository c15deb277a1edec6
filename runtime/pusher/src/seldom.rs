//! Waiting for what seldom happens, beside what happens all the time.
//!
//! A task that is woken polls all that it waits for, because it does not know by what it was woken. That is cheap unless
//! asking is not: a timer and a cancellation, asked at each request of each connection, take locks that all connections
//! share. So what seldom happens is given a waker of its own, which says whether asking is worth it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only when it was woken itself.
pub(crate) struct Seldom<F> {
    future: Pin<Box<F>>,
    bell: Option<(Arc<Bell>, Waker)>,
}

/// Wakes the task, and says that it did.
struct Bell {
    rung: AtomicBool,
    task: Waker,
}

impl<F: Future> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), bell: None }
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, bell } = &mut *self;
        let (_, waker) = match bell {
            // Taken back before the poll, so that a ring during it counts for the next one.
            Some((bell, waker)) if bell.task.will_wake(cx.waker()) => {
                if !bell.rung.load(Ordering::Relaxed) || !bell.rung.swap(false, Ordering::AcqRel) {
                    return Poll::Pending;
                }
                (bell, &*waker)
            }
            // The first poll, or another task: it is not known by what that is woken.
            _ => {
                let new = Arc::new(Bell { rung: AtomicBool::new(false), task: cx.waker().clone() });
                let (bell, waker) = bell.insert((Arc::clone(&new), Waker::from(new)));
                (bell, &*waker)
            }
        };
        future.as_mut().poll(&mut Context::from_waker(waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_is_woken_and_not_when_its_task_is() {
        let polls = AtomicUsize::new(0);
        let (tell, mut told) = oneshot::channel();
        let counted = poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut told).poll(cx)
        });
        let mut seldom = Seldom::new(counted);
        for _ in 0..10 {
            let other = sleep(Duration::from_millis(1));
            tokio::select! {
                biased;
                _ = &mut seldom => panic!("nothing has happened"),
                () = other => {}
            }
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        tokio::spawn(async move { tell.send(7) });
        assert_eq!(timeout(Duration::from_secs(5), &mut seldom).await, Ok(Ok(7)));
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_wakes_the_task_that_it_was_polled_by_last() {
        let (tell, told) = oneshot::channel();
        let mut seldom = Seldom::new(told);
        let mut elsewhere = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut seldom).poll(&mut elsewhere).is_pending());
        let waits = tokio::spawn(seldom);
        tokio::task::yield_now().await;
        assert!(tell.send(7).is_ok());
        assert_eq!(timeout(Duration::from_secs(5), waits).await.unwrap().unwrap(), Ok(7));
    }
}
