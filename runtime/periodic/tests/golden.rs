//! The recorded sessions of real Periodic programs: every frame decodes, and encodes back to the same bytes. The frames
//! for which that does not hold are named here, one by one.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use common::recorded::{self, Frame, Line};
use periodic::wire::{FrameCodec, Packet, Registration, WireError};
use tokio_util::codec::{Decoder, Encoder};

/// Large enough for the largest recorded frame.
const MAX_PAYLOAD: usize = 64 << 20;

/// Decodes a frame and encodes it again.
fn there_and_back(frame: &Frame) -> Result<Vec<u8>, WireError> {
    let mut receiver = if frame.to_server { FrameCodec::server(MAX_PAYLOAD) } else { FrameCodec::client(MAX_PAYLOAD) };
    let mut sender = if frame.to_server { FrameCodec::client(MAX_PAYLOAD) } else { FrameCodec::server(MAX_PAYLOAD) };
    let mut bytes = BytesMut::from(frame.bytes.as_slice());
    let payload = receiver.decode(&mut bytes)?.ok_or(WireError::Truncated)?;
    assert!(bytes.is_empty(), "one line is one frame");
    let mut again = BytesMut::new();
    encode(&mut sender, &frame.remark, payload, &mut again)?;
    Ok(again.to_vec())
}

fn encode(sender: &mut FrameCodec, remark: &str, payload: Bytes, to: &mut BytesMut) -> Result<(), WireError> {
    if remark.contains("registration reply") {
        assert_eq!((payload.len(), payload[0]), (5, 30));
        return sender.encode(payload.as_ref(), to);
    }
    if remark.contains(" register") {
        return sender.encode(&Registration::decode(payload)?, to);
    }
    sender.encode(&Packet::decode(payload)?, to)
}

/// A frame that is not as others: file, why, bytes.
type Named = (&'static str, &'static str, &'static str);

/// Frames that must not decode.
const REFUSED: &[Named] = &[
    ("01_register", "there is no registration type 5", "0052455100000001a2681b0205"),
    ("01_register", "a byte after the registration", "005245510000000258c223be0100"),
    ("02_ping_sleep_unknown", "a byte after a PING", "00524551000000063440ceee0000000e0978"),
    ("03_framing_errors", "the checksum is wrong", "0052455100000005a7e57ef80000000109"),
    ("03_framing_errors", "there is no command 35", "00524551000000057d5eb72e0000000123"),
    ("03_framing_errors", "there is no command 255", "0052455100000005f23b29d100000001ff"),
    ("03_framing_errors", "two bytes are no packet", "005245510000000241d912ff0000"),
    ("03_framing_errors", "nothing is no packet", "005245510000000000000000"),
    ("03_framing_errors", "the func is cut short", "005245510000000873b9b67d000000010d056162"),
];

/// Frames that decode, but are not written that way.
const NOT_CANONICAL: &[Named] = &[
    ("03_framing_errors", "junk before it", "67617262616765000052450052455100000005a6e57ef80000000109"),
    ("03_framing_errors", "a client that sends the server's magic", "0052455300000005a6e57ef80000000109"),
    (
        "03_framing_errors",
        "job encoding 7 is read as 0, and written as 0",
        "00524551000000197f44e284000000010d036730330276370000000000000000ee6b280007",
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_recorded_frame_decodes_and_encodes_to_the_same_bytes() {
    let (mut frames, mut named, mut wrong) = (0, HashSet::new(), Vec::new());
    for file in recorded::files() {
        for line in recorded::read(&file) {
            let Line::Frame(frame) = line else { continue };
            frames += 1;
            let bytes = hex(&frame.bytes);
            let mut is_named = |list: &[Named]| {
                let found = list.iter().find(|(at, _, what)| *at == file && *what == bytes);
                named.extend(found.map(|(_, why, _)| *why));
                found.is_some()
            };
            let outcome = there_and_back(&frame);
            let as_expected = match &outcome {
                Ok(again) if *again == frame.bytes => true,
                Ok(_) => is_named(NOT_CANONICAL),
                Err(_) => is_named(REFUSED),
            };
            if !as_expected {
                let outcome = outcome.map(|again| hex(&again));
                wrong.push(format!("{file}: {bytes} {} -> {outcome:?}", frame.remark));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {frames}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(frames > 2000, "only {frames} frames were found");
    assert_eq!(named.len(), REFUSED.len() + NOT_CANONICAL.len(), "every named frame occurs");
}
