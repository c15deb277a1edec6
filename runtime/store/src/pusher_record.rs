//! How a recipient is encoded: its fixed parts, then its texts. The first byte is the version of this encoding, so that
//! records of earlier ones are told apart and read as they were written.
//!
//! ```text
//! 0        1                9             13             17            21             23          25
//! version  createdAt i64 LE  email len u32  nickname len  phone len     senders u16    tags u16    texts
//! ```
//!
//! The texts are e-mail, nickname and telephone number; then each sender and each tag behind a byte that says its length.
//! The id is the record's key and is not said again. Version 1 was the recipient's JSON.

use pusher_core::{Pusher, PusherId, SenderName, StoreError};

use crate::error::corrupt;

const JSON: u8 = 1;
const VERSION: u8 = 2;
const HEAD: usize = 25;

/// Writes the record of `pusher` over what is in `out`.
///
/// # Errors
/// If a text is longer than its length can say.
pub(crate) fn encode(pusher: &Pusher, out: &mut Vec<u8>) -> Result<(), StoreError> {
    let Pusher { id, email, nickname, phone_number, senders, tags, created_at } = pusher;
    let too_long = |_| StoreError::Failed(format!("pusher {id} is longer than a record can be"));
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&created_at.to_le_bytes());
    for text in [email, nickname, phone_number] {
        out.extend_from_slice(&u32::try_from(text.len()).map_err(too_long)?.to_le_bytes());
    }
    for count in [senders.len(), tags.len()] {
        out.extend_from_slice(&u16::try_from(count).map_err(too_long)?.to_le_bytes());
    }
    for text in [email, nickname, phone_number] {
        out.extend_from_slice(text.as_bytes());
    }
    let words = senders.iter().map(|sender| sender.as_str()).chain(tags.iter().map(|tag| tag.as_str()));
    for word in words {
        // Senders and tags are at most 180 bytes long.
        out.push(word.len() as u8);
        out.extend_from_slice(word.as_bytes());
    }
    Ok(())
}

/// Reads the record of the recipient `id`.
///
/// # Errors
/// [`StoreError::Corrupt`], which names the recipient and says what is wrong.
pub(crate) fn decode(id: &PusherId, bytes: &[u8]) -> Result<Pusher, StoreError> {
    let read = || match version(bytes)? {
        JSON => decode_json(id, bytes),
        _ => decode_current(id, bytes),
    };
    read().map_err(|reason| corrupt(format!("pusher {id}"), reason))
}

/// Reads no more of the record of the recipient `id` than whether it has `sender`.
///
/// # Errors
/// As [`decode`], for what is read.
pub(crate) fn has_sender(id: &PusherId, bytes: &[u8], sender: &SenderName) -> Result<bool, StoreError> {
    let read = || match version(bytes)? {
        JSON => decode_json(id, bytes).map(|pusher| pusher.has_sender(sender)),
        _ => {
            let (Head { texts, senders, .. }, rest) = Head::read(bytes)?;
            let mut rest = Texts { rest };
            rest.take(texts.iter().sum())?;
            let mut words = (0..senders).map(|_| rest.word());
            words.try_fold(false, |found, word| Ok(found | (word? == sender.as_str())))
        }
    };
    read().map_err(|reason| corrupt(format!("pusher {id}"), reason))
}

/// The version of a record's encoding, if it is one that can be read.
fn version(bytes: &[u8]) -> Result<u8, String> {
    match bytes.first() {
        Some(&version @ (JSON | VERSION)) => Ok(version),
        Some(version) => Err(format!("its encoding is version {version}; this program knows {JSON} and {VERSION}")),
        None => Err("it is empty".into()),
    }
}

fn decode_json(id: &PusherId, bytes: &[u8]) -> Result<Pusher, String> {
    let pusher: Pusher = serde_json::from_slice(&bytes[1..]).map_err(|e| e.to_string())?;
    if pusher.id != *id {
        return Err(format!("it is the record of {}", pusher.id));
    }
    Ok(pusher)
}

fn decode_current(id: &PusherId, bytes: &[u8]) -> Result<Pusher, String> {
    let (Head { created_at, texts: [email, nickname, phone_number], senders, tags }, rest) = Head::read(bytes)?;
    let mut texts = Texts { rest };
    let pusher = Pusher {
        id: id.clone(),
        created_at,
        email: texts.take(email)?.to_owned(),
        nickname: texts.take(nickname)?.to_owned(),
        phone_number: texts.take(phone_number)?.to_owned(),
        senders: texts.words(senders)?,
        tags: texts.words(tags)?,
    };
    if texts.rest.is_empty() { Ok(pusher) } else { Err("it goes on behind its end".into()) }
}

/// What stands before the texts.
struct Head {
    created_at: i64,
    /// How long e-mail, nickname and telephone number are.
    texts: [usize; 3],
    /// How many there are.
    senders: u16,
    tags: u16,
}

impl Head {
    /// The head of a record of the current version, and what is behind it.
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            return Err(format!("it is {} bytes long, shorter than any recipient", bytes.len()));
        };
        let [_, c0, c1, c2, c3, c4, c5, c6, c7, e0, e1, e2, e3, n0, n1, n2, n3, p0, p1, p2, p3, s0, s1, t0, t1] = *head;
        let texts = [[e0, e1, e2, e3], [n0, n1, n2, n3], [p0, p1, p2, p3]];
        let head = Self {
            created_at: i64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            texts: texts.map(|len| u32::from_le_bytes(len) as usize),
            senders: u16::from_le_bytes([s0, s1]),
            tags: u16::from_le_bytes([t0, t1]),
        };
        Ok((head, rest))
    }
}

/// The texts of a record, taken one by one.
struct Texts<'a> {
    rest: &'a [u8],
}

impl<'a> Texts<'a> {
    fn take(&mut self, len: usize) -> Result<&'a str, String> {
        let Some((text, rest)) = self.rest.split_at_checked(len) else { return Err("it ends within a text".into()) };
        self.rest = rest;
        std::str::from_utf8(text).map_err(|e| e.to_string())
    }

    fn words<W: std::str::FromStr<Err = pusher_core::WordError>>(&mut self, count: u16) -> Result<Vec<W>, String> {
        // What is left holds no more words than bytes, whatever the count says.
        let mut words = Vec::with_capacity(usize::from(count).min(self.rest.len()));
        for _ in 0..count {
            words.push(self.word()?.parse().map_err(|e: pusher_core::WordError| e.to_string())?);
        }
        Ok(words)
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let Some((&len, rest)) = self.rest.split_first() else { return Err("it ends before a word".into()) };
        self.rest = rest;
        self.take(usize::from(len))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pusher_core::Tag;

    use super::*;

    fn pusher() -> impl Strategy<Value = Pusher> {
        let text = || "\\PC{0,40}";
        let words = || prop::collection::vec("[a-z日]{1,60}", 0..5);
        ("\\PC{1,60}", (text(), text(), text()), words(), words(), any::<i64>()).prop_map(
            |(id, (email, nickname, phone_number), senders, tags, created_at)| Pusher {
                id: PusherId::parse(&id).unwrap(),
                email,
                nickname,
                phone_number,
                senders: senders.iter().map(|s| SenderName::parse(s).unwrap()).collect(),
                tags: tags.iter().map(|t| Tag::parse(t).unwrap()).collect(),
                created_at,
            },
        )
    }

    proptest! {
        #[test]
        fn a_recipient_comes_back_as_it_went_in(pusher in pusher()) {
            let mut bytes = Vec::new();
            encode(&pusher, &mut bytes).unwrap();
            prop_assert_eq!(decode(&pusher.id, &bytes).unwrap(), pusher);
        }

        #[test]
        fn a_record_in_json_is_still_read(pusher in pusher()) {
            let bytes = [&[JSON][..], &serde_json::to_vec(&pusher).unwrap()].concat();
            prop_assert_eq!(decode(&pusher.id, &bytes).unwrap(), pusher);
        }

        #[test]
        fn its_senders_are_found_without_reading_it_whole(pusher in pusher(), other in "[a-z日]{1,60}") {
            let mut bytes = Vec::new();
            encode(&pusher, &mut bytes).unwrap();
            let json = [&[JSON][..], &serde_json::to_vec(&pusher).unwrap()].concat();
            for sender in pusher.senders.iter().cloned().chain([SenderName::parse(&other).unwrap()]) {
                for bytes in [&bytes, &json] {
                    prop_assert_eq!(has_sender(&pusher.id, bytes, &sender).unwrap(), pusher.has_sender(&sender));
                }
            }
        }

        #[test]
        fn any_bytes_are_a_recipient_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0..4u8) {
            let bytes = [&[version][..], &bytes].concat();
            let id = PusherId::parse("x").unwrap();
            let _ = has_sender(&id, &bytes, &SenderName::parse("x").unwrap());
            if let Ok(pusher) = decode(&id, &bytes) {
                let mut again = Vec::new();
                encode(&pusher, &mut again).unwrap();
                prop_assert_eq!(decode(&id, &again).unwrap(), pusher);
            }
        }

        #[test]
        fn a_record_that_was_cut_off_is_refused(pusher in pusher(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode(&pusher, &mut bytes).unwrap();
            prop_assert!(decode(&pusher.id, &bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(decode(&pusher.id, &bytes).is_err());
        }
    }
}
