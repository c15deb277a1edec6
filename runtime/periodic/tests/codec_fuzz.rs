//! Bytes come from outside: whatever they are, reading them ends in a value or an error, never in a panic, takes no more
//! memory than a small multiple of what has come, and what was read is written in one way only.
//!
//! The inputs are the recorded sessions of real Periodic programs, changed at random. Half of them get a right checksum
//! afterwards, or no change would ever get past it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use common::recorded::{self, Line};
use periodic::Job;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, Packet, Registration};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_util::codec::{Decoder, Encoder};

/// Seeds longer than this take too long to be changed many times.
const LONGEST_SEED: usize = 4096;
/// Magic, size and checksum.
const HEADER: usize = 12;
/// What reading may take at once, whatever has come: a read buffer.
const FIXED_BYTES: usize = 64 << 10;
/// For each byte that has come: itself, its copy, and a list of jobs, which are larger in memory than on the wire.
const BYTES_PER_BYTE: usize = 16;

thread_local! {
    /// Bytes that this thread has allocated since it was last asked, whether they were freed or not.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts.
struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; each call is handed on as it came")]
// SAFETY: every method does what System does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    // While a thread ends there is nobody to ask.
    let _ended = ALLOCATED.try_with(|allocated| allocated.set(allocated.get() + bytes));
}

/// What `work` returns, and how much it allocated.
fn allocated_by<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.set(0);
    let done = work();
    (done, ALLOCATED.get())
}

/// Every recorded frame that is not too long, once.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let lines = recorded::files().into_iter().flat_map(|file| recorded::read(&file));
    let mut seeds: Vec<_> = lines
        .filter_map(|line| match line {
            Line::Frame(frame) if frame.bytes.len() <= LONGEST_SEED => Some(frame.bytes),
            _ => None,
        })
        .collect();
    seeds.sort();
    seeds.dedup();
    seeds
});

/// Numbers that are right somewhere and wrong elsewhere.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX];

/// One change to a frame.
#[derive(Debug, Clone)]
enum Mutation {
    /// Flips a bit.
    Bit(Index, u32),
    /// Sets the byte there to this.
    Byte(Index, u8),
    /// Writes this number there, in so many bytes.
    Number(Index, u64, usize),
    /// Takes so many bytes out.
    Without(Index, usize),
    /// Puts bytes there.
    Insert(Index, Vec<u8>),
    /// Puts a part of another seed there.
    Splice(Index, Index, Index, usize),
    /// Says another part once more.
    Again(Index, Index, usize),
    /// Ends it there.
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8u32).prop_map(|(at, bit)| Mutation::Bit(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (at(), prop::sample::select(&NUMBERS[..]), prop::sample::select(&[1usize, 2, 4, 8][..]))
            .prop_map(|(at, number, bytes)| Mutation::Number(at, number, bytes)),
        (at(), 1..40usize).prop_map(|(at, bytes)| Mutation::Without(at, bytes)),
        (at(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), at(), at(), 1..200usize).prop_map(|(at, seed, from, bytes)| Mutation::Splice(at, seed, from, bytes)),
        (at(), at(), 1..200usize).prop_map(|(at, from, bytes)| Mutation::Again(at, from, bytes)),
        at().prop_map(Mutation::Cut),
    ]
}

fn part(of: &[u8], from: Index, bytes: usize) -> Vec<u8> {
    let from = from.index(of.len() + 1);
    of[from..of.len().min(from + bytes)].to_vec()
}

fn insert(bytes: &mut Vec<u8>, at: Index, new: Vec<u8>) {
    let at = at.index(bytes.len() + 1);
    bytes.splice(at..at, new);
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    match mutation {
        Mutation::Bit(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Mutation::Byte(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Mutation::Bit(..) | Mutation::Byte(..) => {}
        Mutation::Number(at, number, size) => {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + size);
            bytes.splice(at..end, number.to_be_bytes()[8 - size..].iter().copied());
        }
        Mutation::Without(at, count) => {
            let at = at.index(bytes.len() + 1);
            bytes.drain(at..bytes.len().min(at + count));
        }
        Mutation::Insert(at, new) => insert(bytes, *at, new.clone()),
        Mutation::Splice(at, seed, from, count) => {
            let other: &Vec<u8> = seed.get(SEEDS.as_slice());
            insert(bytes, *at, part(other, *from, *count));
        }
        Mutation::Again(at, from, count) => insert(bytes, *at, part(bytes, *from, *count)),
        Mutation::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
    }
}

/// Gives a frame the size and the checksum that its payload has.
fn mend(frame: &mut Vec<u8>) {
    frame.resize(frame.len().max(HEADER), 0);
    let (header, payload) = frame.split_at_mut(HEADER);
    header[..4].copy_from_slice(b"\0REQ");
    header[4..8].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    header[8..].copy_from_slice(&crc32fast::hash(payload).to_be_bytes());
}

fn server() -> FrameCodec {
    FrameCodec::server(DEFAULT_MAX_PAYLOAD)
}

/// What a stream of bytes is read as, when it comes in pieces of this size; `false`: it ended in an error.
fn read(bytes: &[u8], piece: usize) -> (Vec<Bytes>, bool) {
    let (mut codec, mut buffer, mut payloads) = (server(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(payload)) => payloads.push(payload),
                Ok(None) => break,
                Err(_) => return (payloads, false),
            }
        }
    }
    (payloads, true)
}

/// As it is written: what is not said on the wire is 0.
fn canonical_job(job: Job) -> Job {
    Job { count: job.count.max(0), timeout: job.timeout.max(0), ..job }
}

fn canonical(command: Command) -> Command {
    match command {
        Command::JobAssign(job) => Command::JobAssign(canonical_job(job)),
        Command::SubmitJob(job) => Command::SubmitJob(canonical_job(job)),
        Command::RunJob(job) => Command::RunJob(canonical_job(job)),
        Command::RecvData(job) => Command::RecvData(canonical_job(job)),
        Command::Load(jobs) => Command::Load(jobs.into_iter().map(canonical_job).collect()),
        other => other,
    }
}

/// How many jobs a command carries.
fn jobs(command: &Command) -> usize {
    match command {
        Command::JobAssign(_) | Command::SubmitJob(_) | Command::RunJob(_) | Command::RecvData(_) => 1,
        Command::Load(jobs) => jobs.len(),
        _ => 0,
    }
}

/// What every payload must keep to.
fn check_payload(payload: &Bytes) -> Result<(), TestCaseError> {
    let (read, allocated) = allocated_by(|| Packet::decode(payload.clone()));
    prop_assert!(allocated <= BYTES_PER_BYTE * payload.len() + 256, "{allocated} bytes for {}", payload.len());
    if let Ok(packet) = read {
        let jobs = jobs(&packet.command);
        let packet = Packet { msgid: packet.msgid, command: canonical(packet.command) };
        let mut written = BytesMut::new();
        packet.encode(&mut written).unwrap();
        let written = written.freeze();
        // Only a job has more than one way to be written: its count and its timeout may be said although they are 0, and
        // its version may be one that nobody has defined.
        let surplus = payload.len().checked_sub(written.len());
        prop_assert!(surplus.is_some_and(|surplus| surplus <= 8 * jobs), "{written:?} of {payload:?}");
        prop_assert!(jobs > 0 || written == *payload, "{written:?} of {payload:?}");
        let again = Packet::decode(written.clone());
        prop_assert_eq!(again.as_ref().ok(), Some(&packet), "{:?}", written);
    }
    let (read, allocated) = allocated_by(|| Registration::decode(payload.clone()));
    prop_assert!(allocated <= payload.len() + 256, "{allocated} bytes for {}", payload.len());
    if let Ok(registration) = read {
        let mut written = BytesMut::new();
        registration.encode(&mut written);
        prop_assert_eq!(written.freeze(), payload.clone(), "a registration is written in one way only");
    }
    Ok(())
}

/// What every stream must keep to.
fn check_stream(bytes: &[u8], piece: usize) -> Result<(), TestCaseError> {
    let (whole, allocated) = allocated_by(|| read(bytes, usize::MAX));
    prop_assert!(allocated <= BYTES_PER_BYTE * bytes.len() + FIXED_BYTES, "{allocated} bytes for {}", bytes.len());
    prop_assert_eq!(&whole, &read(bytes, piece), "how it was cut makes a difference");
    for payload in &whole.0 {
        check_payload(payload)?;
        let mut framed = BytesMut::new();
        server().encode(payload.as_ref(), &mut framed).unwrap();
        prop_assert_eq!(read(&framed, usize::MAX), (vec![payload.clone()], true));
    }
    Ok(())
}

#[test]
fn every_recording_is_a_seed_that_keeps_to_the_rules() {
    assert!(SEEDS.len() > 300, "only {} seeds", SEEDS.len());
    for seed in SEEDS.iter() {
        check_stream(seed, 7).unwrap();
        let mut mended = seed.clone();
        mend(&mut mended);
        check_stream(&mended, 7).unwrap();
    }
}

#[test]
fn a_header_that_announces_much_does_not_take_much() {
    let mut header = b"\0REQ".to_vec();
    header.extend(u32::try_from(DEFAULT_MAX_PAYLOAD).unwrap().to_be_bytes());
    header.extend([0; 100]);
    let (read, allocated) = allocated_by(|| read(&header, usize::MAX));
    assert_eq!(read, (Vec::new(), true));
    assert!(allocated <= FIXED_BYTES + BYTES_PER_BYTE * header.len(), "{allocated} bytes for {}", header.len());
}

/// Many, or as many as `PROPTEST_CASES` says: `cargo xtask soak codec`.
fn config() -> ProptestConfig {
    let said = ProptestConfig::default();
    ProptestConfig { cases: said.cases.max(5000), failure_persistence: None, ..said }
}

fn seed() -> impl Strategy<Value = Vec<u8>> {
    any::<Index>().prop_map(|seed| seed.get::<Vec<u8>>(SEEDS.as_slice()).clone())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn changed_frames_are_read_or_refused(
        frames in vec((seed(), vec(mutation(), 0..4), any::<bool>()), 1..4), piece in 1..300usize,
    ) {
        let mut stream = Vec::new();
        for (mut frame, changes, mended) in frames {
            for change in &changes {
                mutate(&mut frame, change);
            }
            if mended {
                mend(&mut frame);
            }
            stream.extend(frame);
        }
        check_stream(&stream, piece)?;
    }

    #[test]
    fn changed_payloads_are_read_or_refused(mut frame in seed(), changes in vec(mutation(), 1..6)) {
        frame.drain(..HEADER.min(frame.len()));
        for change in &changes {
            mutate(&mut frame, change);
        }
        check_payload(&Bytes::from(frame))?;
    }

    #[test]
    fn any_arguments_of_any_command_are_read_or_refused(code in 0..40u8, rest in vec(any::<u8>(), 0..80)) {
        let payload = [&[1, 2, 3, 4, code][..], &rest].concat();
        check_payload(&Bytes::from(payload))?;
    }
}
