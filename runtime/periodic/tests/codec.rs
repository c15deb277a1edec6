//! The codec under arbitrary input: what is written is read again, however it is cut; what is nonsense is an error.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use bytes::{Bytes, BytesMut};
use periodic::wire::{Command, FrameCodec, Packet, Registration, WireError};
use periodic::{Job, JobKey};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio_util::codec::{Decoder, Encoder};

const MAX_PAYLOAD: usize = 1 << 20;

fn text(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn key() -> impl Strategy<Value = JobKey> {
    (text(255), text(255)).prop_map(|(func, name)| JobKey { func, name })
}

/// Counts and timeouts below 1 are not carried, so they cannot come back.
fn job() -> impl Strategy<Value = Job> {
    (key(), text(2000), any::<i64>(), 0..=i32::MAX, 0..=i32::MAX)
        .prop_map(|(key, workload, sched_at, count, timeout)| Job { key, workload, sched_at, count, timeout })
}

fn command() -> impl Strategy<Value = Command> {
    let bare = prop::sample::select(vec![
        Command::Noop,
        Command::GrabJob,
        Command::NoJob,
        Command::Ping,
        Command::Pong,
        Command::Sleep,
        Command::Unknown,
        Command::Status,
        Command::Success,
        Command::Dump,
        Command::Shutdown,
        Command::NoWorker,
        Command::JobAssigned,
        Command::JobUnassigned,
        Command::Acquired(true),
        Command::Acquired(false),
    ]);
    prop_oneof![
        bare,
        prop_oneof![
            text(255).prop_map(Command::CanDo),
            text(255).prop_map(Command::CantDo),
            text(255).prop_map(Command::DropFunc),
            text(255).prop_map(Command::Broadcast),
            text(255).prop_map(Command::ConfigGet),
            (text(255), any::<u32>()).prop_map(|(key, value)| Command::ConfigSet { key, value }),
            any::<u32>().prop_map(Command::Config),
            text(2000).prop_map(Command::Data),
        ],
        prop_oneof![
            job().prop_map(Command::JobAssign),
            job().prop_map(Command::SubmitJob),
            job().prop_map(Command::RunJob),
            job().prop_map(Command::RecvData),
            vec(job(), 0..5).prop_map(Command::Load),
        ],
        prop_oneof![
            key().prop_map(Command::WorkFail),
            key().prop_map(Command::RemoveJob),
            (key(), any::<i64>(), any::<i16>()).prop_map(|(key, delay, step)| Command::SchedLater { key, delay, step }),
            (key(), text(2000)).prop_map(|(key, result)| Command::WorkDone { key, result }),
            (key(), text(2000)).prop_map(|(key, chunk)| Command::WorkData { key, chunk }),
            (text(255), any::<i16>(), key()).prop_map(|(lock, capacity, key)| Command::Acquire { lock, capacity, key }),
            (text(255), key()).prop_map(|(lock, key)| Command::Release { lock, key }),
        ],
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    (any::<[u8; 4]>(), command()).prop_map(|(msgid, command)| Packet { msgid, command })
}

fn registration() -> impl Strategy<Value = Registration> {
    prop_oneof![
        Just(Registration::Client),
        Just(Registration::Worker),
        (text(300), text(300)).prop_map(|(name, token)| Registration::AuthClient { name, token }),
        (text(300), text(300)).prop_map(|(name, token)| Registration::AuthWorker { name, token }),
    ]
}

/// Feeds the bytes in the given pieces, then the rest; returns the payloads, or what was wrong.
fn feed(codec: &mut FrameCodec, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Bytes>, WireError> {
    let (mut payloads, mut buffer, mut rest) = (Vec::new(), BytesMut::new(), bytes);
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let (piece, more) = rest.split_at(cut.min(rest.len()));
        rest = more;
        buffer.extend_from_slice(piece);
        while let Some(payload) = codec.decode(&mut buffer)? {
            payloads.push(payload);
        }
    }
    Ok(payloads)
}

fn server() -> FrameCodec {
    FrameCodec::server(MAX_PAYLOAD)
}

fn client() -> FrameCodec {
    FrameCodec::client(MAX_PAYLOAD)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_packet_is_read_as_it_was_written(packets in vec(packet(), 1..8), cuts in vec(0usize..600, 0..20)) {
        for (mut sender, mut receiver) in [(client(), server()), (server(), client())] {
            let mut bytes = BytesMut::new();
            for packet in &packets {
                sender.encode(packet, &mut bytes).unwrap();
            }
            let read: Result<Vec<_>, _> =
                feed(&mut receiver, &bytes, &cuts).unwrap().into_iter().map(Packet::decode).collect();
            prop_assert_eq!(read.unwrap(), packets.clone());
        }
    }

    #[test]
    fn every_registration_is_read_as_it_was_written(registration in registration()) {
        let mut bytes = BytesMut::new();
        client().encode(&registration, &mut bytes).unwrap();
        let payloads = feed(&mut server(), &bytes, &[]).unwrap();
        prop_assert_eq!(Registration::decode(payloads[0].clone()).unwrap(), registration);
    }

    #[test]
    fn a_payload_cut_short_or_with_a_byte_more_is_an_error(packet in packet(), cut in any::<prop::sample::Index>()) {
        let mut bytes = BytesMut::new();
        packet.encode(&mut bytes).unwrap();
        let whole = bytes.freeze();
        // Of a body that reaches to the end of the payload, every beginning is a body too.
        let open = matches!(packet.command, Command::WorkDone { .. } | Command::WorkData { .. } | Command::Data(_));
        if !open {
            prop_assert!(Packet::decode(whole.slice(..cut.index(whole.len()))).is_err());
            let mut longer = BytesMut::from(whole.as_ref());
            longer.extend_from_slice(b"x");
            prop_assert!(Packet::decode(longer.freeze()).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_however_they_are_cut(bytes in vec(any::<u8>(), 0..400), cuts in vec(0usize..50, 0..20)) {
        let whole = feed(&mut server(), &bytes, &[]).ok();
        let pieces = feed(&mut server(), &bytes, &cuts).ok();
        prop_assert_eq!(whole, pieces);
        let bytes = Bytes::from(bytes);
        let _any = (Packet::decode(bytes.clone()), Registration::decode(bytes));
    }

    #[test]
    fn junk_between_frames_is_skipped(
        junk in vec(prop::sample::select(b"\0RESQx".to_vec()), 0..40), packet in packet(), cuts in vec(0usize..50, 0..20),
    ) {
        // Junk with a whole magic in it is not junk.
        let magic = |window: &[u8]| window == b"\0REQ" || window == b"\0RES";
        prop_assume!(!junk.windows(4).any(magic));
        let mut bytes = BytesMut::from(junk.as_slice());
        client().encode(&packet, &mut bytes).unwrap();
        let payloads = feed(&mut server(), &bytes, &cuts).unwrap();
        prop_assert_eq!(payloads.len(), 1);
        prop_assert_eq!(Packet::decode(payloads[0].clone()).unwrap(), packet);
    }

    #[test]
    fn a_flipped_bit_in_the_payload_is_noticed(packet in packet(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = BytesMut::new();
        client().encode(&packet, &mut bytes).unwrap();
        let at = 12 + at.index(bytes.len() - 12);
        bytes[at] ^= 1u8 << bit;
        prop_assert!(matches!(feed(&mut server(), &bytes, &[]), Err(WireError::BadChecksum)));
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header_alone() {
    let mut header = BytesMut::from(b"\0REQ\x00\x10\x00\x01\0\0\0\0".as_slice());
    let error = server().decode(&mut header).unwrap_err();
    assert!(matches!(error, WireError::TooLarge { size: 1_048_577, max: MAX_PAYLOAD }), "{error}");
}

#[test]
fn a_job_that_was_taken_can_be_assigned_however_large() {
    let key = JobKey { func: Bytes::from_static(b"f"), name: Bytes::from_static(b"n") };
    let job = Job { key, workload: vec![0; MAX_PAYLOAD - 22].into(), sched_at: 0, count: 0, timeout: 0 };
    let mut bytes = BytesMut::new();
    client().encode(&Packet { msgid: [0; 4], command: Command::SubmitJob(job.clone()) }, &mut bytes).unwrap();
    assert_eq!(feed(&mut server(), &bytes, &[]).unwrap()[0].len(), MAX_PAYLOAD, "as large as it may be");

    let job = Job { count: 1, timeout: 600, ..job };
    let mut bytes = BytesMut::new();
    server().encode(&Packet { msgid: [0; 4], command: Command::JobAssign(job) }, &mut bytes).unwrap();
    assert_eq!(feed(&mut client(), &bytes, &[]).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_written_leaves_the_buffer_as_it_was() {
    let mut bytes = BytesMut::from(b"before".as_slice());
    let too_long = Packet { msgid: [0; 4], command: Command::CanDo(vec![0; 256].into()) };
    assert!(matches!(client().encode(&too_long, &mut bytes), Err(WireError::NameTooLong(256))));
    let too_large = Packet { msgid: [0; 4], command: Command::Data(vec![0; MAX_PAYLOAD].into()) };
    assert!(matches!(client().encode(&too_large, &mut bytes), Err(WireError::TooLarge { .. })));
    assert_eq!(bytes.as_ref(), b"before");
}

#[test]
fn a_list_of_jobs_that_claims_more_than_it_holds_is_refused_before_room_is_made_for_it() {
    let mut payload = BytesMut::from([0, 0, 0, 1, 19].as_slice());
    payload.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(Packet::decode(payload.freeze()), Err(WireError::Truncated)));
}
