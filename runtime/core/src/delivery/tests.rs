//! The rules of a delivery's life.

use super::*;

fn sender() -> SenderName {
    SenderName::parse("sample").unwrap()
}

fn name() -> JobName {
    JobName::for_push(&PusherId::parse("lupino").unwrap(), "data")
}

fn accepted() -> DeliveryEvent {
    DeliveryEvent::Accepted { sender: sender(), name: name(), due_at: 2, pushall: None, tag: None, data: None }
}

fn attempt(number: u32, at: i64) -> Attempt {
    Attempt { number, at, took_ms: 1, version: None, end: SendEnd::Temporary, status: None, message: None }
}

fn tried(number: u32, at: i64, reported: Reported) -> DeliveryEvent {
    DeliveryEvent::Attempted(Report { sender: sender(), name: name(), attempt: attempt(number, at), reported })
}

fn waiting(due_at: i64) -> Reported {
    Reported::Waiting { due_at }
}

fn dead() -> Reported {
    Reported::Dead { reason: "no such address".into(), data: "data".into() }
}

fn cancelled() -> DeliveryEvent {
    DeliveryEvent::Cancelled { sender: sender(), name: name() }
}

fn redriven() -> DeliveryEvent {
    DeliveryEvent::Redriven { sender: sender(), name: name() }
}

fn live(events: &[DeliveryEvent]) -> Option<Delivery> {
    events.iter().fold(None, |before, event| Delivery::after(before.as_ref(), event, 1).or(before))
}

fn state(events: &[DeliveryEvent]) -> DeliveryState {
    live(events).unwrap().state
}

#[test]
fn a_message_is_accepted_tried_and_delivered() {
    let life = live(&[accepted(), tried(1, 10, waiting(15)), tried(2, 20, Reported::Delivered)]).unwrap();
    assert_eq!((life.state, life.tries, life.due_at), (DeliveryState::Delivered, 2, None));
    assert_eq!(life.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((life.pusher.as_str(), life.accepted_at), ("lupino", Some(1)));
}

#[test]
fn what_was_never_accepted_here_is_known_from_its_first_attempt() {
    let life = live(&[tried(1, 10, waiting(15))]).unwrap();
    assert_eq!((life.state, life.due_at, life.accepted_at), (DeliveryState::Waiting, Some(15), None));
}

#[test]
fn a_report_that_comes_twice_counts_once_and_a_late_one_decides_nothing() {
    let (first, second) = (tried(1, 10, waiting(15)), tried(2, 20, Reported::Delivered));
    let twice = live(&[first.clone(), second.clone(), second.clone(), first.clone()]).unwrap();
    assert_eq!((twice.state, twice.tries), (DeliveryState::Delivered, 2));
    let late = live(&[second, first]).unwrap();
    assert_eq!((late.state, late.tries, late.attempts[0].number), (DeliveryState::Delivered, 2, 1));
}

/// Workers on several machines, or a clock that is set back.
#[test]
fn clocks_that_differ_decide_nothing() {
    let ahead = 3_600_000;
    assert_eq!(state(&[tried(1, ahead, waiting(15)), tried(2, 20, dead())]), DeliveryState::Dead);
    assert_eq!(state(&[tried(1, ahead, waiting(15)), tried(2, 20, Reported::Delivered)]), DeliveryState::Delivered);
    // Redriven, its attempts are counted from 1 again.
    let life = [tried(1, ahead, waiting(15)), tried(2, ahead + 10, dead()), redriven(), tried(1, 30, waiting(35))];
    assert_eq!(state(&life), DeliveryState::Waiting);
    let end = live(&[&life[..], &[tried(2, 40, Reported::Delivered)]].concat()).unwrap();
    assert_eq!((end.state, end.tries), (DeliveryState::Delivered, 4));
}

/// Its numbers begin again whenever the message is moved, so there neither number nor time may say which was last: its job's
/// end does.
#[test]
fn the_attempt_with_which_its_job_ends_is_the_last_whatever_clocks_and_numbers_say() {
    let before = [tried(1, 100, waiting(15)), tried(2, 110, waiting(15))];
    for reported in [dead(), Reported::Delivered] {
        let DeliveryEvent::Attempted(last) = tried(1, 50, reported.clone()) else { unreachable!() };
        let told = DeliveryEvent::Attempted(last.clone());
        assert_eq!(
            state(&[&before[..], std::slice::from_ref(&told)].concat()),
            DeliveryState::Waiting,
            "it seems late"
        );
        let concluded = DeliveryEvent::Concluded(last);
        for events in [vec![concluded.clone()], vec![told, concluded.clone(), concluded]] {
            let end = live(&[&before[..], &events].concat()).unwrap();
            assert_eq!((end.state, end.tries, end.attempts.len()), (reported.state(), 3, 3));
            assert_eq!(end.data.is_some(), end.state == DeliveryState::Dead);
        }
    }
}

#[test]
fn a_dead_letter_keeps_its_data_and_reason_until_it_is_redriven() {
    let life = live(&[tried(1, 10, dead())]).unwrap();
    assert_eq!((life.reason.as_deref(), life.data.as_deref()), (Some("no such address"), Some("data")));
    let again = live(&[tried(1, 10, dead()), redriven()]).unwrap();
    assert_eq!(
        (again.state, again.reason, again.data, again.tries),
        (DeliveryState::Accepted, None, Some("data".to_owned()), 1)
    );
    assert_eq!(state(&[tried(1, 10, dead()), redriven(), tried(1, 20, Reported::Delivered)]), DeliveryState::Delivered);
}

#[test]
fn only_a_dead_letter_is_redriven() {
    let delivered = live(&[tried(1, 10, Reported::Delivered)]);
    assert_eq!(Delivery::after(delivered.as_ref(), &redriven(), 1), None);
    assert_eq!(Delivery::after(None, &redriven(), 1), None);
}

#[test]
fn what_has_ended_is_not_cancelled_and_what_is_being_sent_goes_out() {
    assert_eq!(state(&[accepted(), cancelled()]), DeliveryState::Cancelled);
    assert_eq!(state(&[tried(1, 10, Reported::Delivered), cancelled()]), DeliveryState::Delivered);
    assert_eq!(state(&[accepted(), cancelled(), tried(1, 10, Reported::Delivered)]), DeliveryState::Delivered);
    assert_eq!(state(&[accepted(), cancelled(), tried(1, 10, waiting(15))]), DeliveryState::Cancelled);
}

#[test]
fn the_same_message_pushed_again_after_its_end_begins_a_new_life() {
    let again = live(&[tried(1, 10, Reported::Delivered), tried(1, 30, waiting(35))]).unwrap();
    assert_eq!((again.state, again.tries), (DeliveryState::Waiting, 1));
    let again = live(&[tried(1, 10, Reported::Delivered), accepted()]).unwrap();
    assert_eq!((again.state, again.tries), (DeliveryState::Accepted, 0));
}

#[test]
fn of_many_attempts_the_first_and_the_last_are_kept() {
    let events: Vec<_> = (1..=40).map(|n| tried(n, i64::from(n), waiting(0))).collect();
    let life = live(&events).unwrap();
    let kept: Vec<_> = life.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!((life.tries, kept.len(), kept[0], kept[1]), (40, MAX_KEPT_ATTEMPTS, 1, 26));
}

#[test]
fn states_only_move_forward() {
    use DeliveryState::{Accepted, Cancelled, Dead, Delivered, Sending, Waiting};
    for from in DeliveryState::ALL {
        assert!(!from.may_become(Accepted), "{from}");
        assert!(from == Sending || from == Waiting || from == Accepted || !from.may_become(Waiting), "{from}");
    }
    assert!(!Delivered.may_become(Dead) && !Dead.may_become(Delivered) && !Delivered.may_become(Cancelled));
    assert_eq!("dead".parse(), Ok(Dead));
    assert!("Dead".parse::<DeliveryState>().is_err());
}

#[test]
fn a_report_reads_as_it_was_written() {
    for reported in [Reported::Delivered, waiting(9), dead()] {
        let DeliveryEvent::Attempted(report) = tried(3, 10, reported) else { unreachable!() };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report, "{text}");
    }
    assert!(serde_json::to_string(&waiting(9)).unwrap().contains(r#""dueAt":9"#));
}

#[test]
fn a_text_is_cut_between_characters() {
    assert_eq!(cut_text("é".repeat(MAX_ATTEMPT_TEXT)).len(), MAX_ATTEMPT_TEXT);
    assert_eq!(cut_text(format!("x{}", "é".repeat(MAX_ATTEMPT_TEXT))).len(), MAX_ATTEMPT_TEXT - 1);
}

#[test]
fn a_cursor_reads_as_it_was_written_and_nothing_else_is_one() {
    let cursor = DeliveryCursor(0x1234_5678_9abc_def0);
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    for text in ["", "123456789abcdef", "123456789ABCDEF0", "+23456789abcdef0", "123456789abcdef01"] {
        assert!(text.parse::<DeliveryCursor>().is_err(), "{text}");
    }
}

#[test]
fn the_age_of_a_message_counts_from_the_first_attempt_since_it_was_redriven() {
    use DeliveryState::{Accepted, Waiting};
    let many: Vec<_> =
        std::iter::once((1, 10)).chain((6..=20).map(|number| (number, 100 + i64::from(number)))).collect();
    for (state, tries, attempts, first) in [
        (Waiting, 1, &[(1, 10)][..], Some(10)),
        (Waiting, 3, &[(1, 10), (2, 20), (3, 30)], Some(10)),
        // Told of the third alone.
        (Waiting, 1, &[(3, 30)], Some(30)),
        (Waiting, 4, &[(1, 10), (2, 20), (1, 50), (2, 60)], Some(50)),
        (Waiting, 2, &[(1, 10), (1, 50)], Some(50)),
        (Waiting, 3, &[(1, 10), (2, 20), (2, 60)], Some(10)),
        (Accepted, 2, &[(1, 10), (2, 20)], None),
        (Waiting, 0, &[], None),
        (Waiting, 20, &many, Some(10)),
        (Waiting, 29, &many, Some(106)),
    ] {
        let attempts: Vec<_> = attempts.iter().map(|(number, at)| attempt(*number, *at)).collect();
        let delivery = Delivery { state, tries, attempts, ..live(&[accepted()]).unwrap() };
        assert_eq!(delivery.tried_since(), first, "{state} {:?}", delivery.attempts);
    }
}
