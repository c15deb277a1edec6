//! The signatures here were made by Python's `hmac` and by `openssl dgst -hmac`, not by the code they test.

use proptest::prelude::*;

use super::*;

fn secret() -> Secret {
    Secret::new("s1")
}

fn v1<'a>(path: &'a str, params: &'a [(&'a str, &'a str)]) -> V1<'a> {
    V1 { app_key: "k1", path, timestamp: "1700000000", params }
}

fn v2() -> V2<'static> {
    V2 {
        app_key: "k1",
        method: "POST",
        path: "/pusher/pushers/%E6%97%A5/",
        query: "size=2&from=0&b&a=%2F",
        timestamp: "1700000000",
        nonce: "AZaz09_-AZaz09_-",
        body: "{\"pusher\":\"lupino\",\"data\":\"日\"}".as_bytes(),
    }
}

#[test]
fn v1_signs_as_the_go_program_does() {
    // printf 'app_keyk1path/pusher/pushers/timestamp1700000000' | openssl dgst -md5 -hmac s1
    assert_eq!(v1("/pusher/pushers/", &[]).sign(&secret()), "19F07D8141D8398E551A8093EC385437");
    let push = v1("/pusher/sample_sender/push", &[("pusher", "lupino"), ("data", "hello world&=+")]);
    assert_eq!(push.sign(&secret()), "D5443EA1B724A98D3019035799FB1E4C");
}

#[test]
fn v1_signs_any_utf8_empty_values_and_the_first_value_of_a_name() {
    let signed = V1 {
        app_key: "schlüssel",
        path: "/pusher/pushers/日/",
        timestamp: "1700000600",
        params: &[("q", "日"), ("a", ""), ("Z", "first"), ("Z", "second")],
    };
    assert_eq!(signed.sign(&Secret::new("geheim")), "4298D106898BEF8C568748680ADBCB4E");
}

#[test]
fn v1_lets_no_parameter_stand_in_for_the_key_the_path_or_the_time() {
    let plain = v1("/a", &[("x", "1")]).sign(&secret());
    assert_eq!(v1("/a", &[("path", "/b"), ("x", "1"), ("app_key", "k2"), ("timestamp", "0")]).sign(&secret()), plain);
    assert_ne!(v1("/b", &[("path", "/a"), ("x", "1")]).sign(&secret()), plain);
}

#[test]
fn v1_takes_its_own_signature_and_no_other() {
    let request = v1("/pusher/pushers/", &[]);
    assert!(request.verify(&secret(), "19F07D8141D8398E551A8093EC385437"));
    for other in ["", "19F07D8141D8398E551A8093EC38543", "19f07d8141d8398e551a8093ec385437", " 19F07D8141D8398E"] {
        assert!(!request.verify(&secret(), other), "{other:?}");
    }
    assert!(!request.verify(&Secret::new("s2"), "19F07D8141D8398E551A8093EC385437"));
}

#[test]
fn v2_signs_these_eight_lines() {
    assert_eq!(
        v2().text(),
        "PUSHER-HMAC-SHA256\nk1\nPOST\n/pusher/pushers/%E6%97%A5/\na=%2F&b&from=0&size=2\n1700000000\n\
         AZaz09_-AZaz09_-\n49d92dd706c042d443c5ebd42882b00f6ca021b47ab62251dc94b2bdc1ebbbe6"
    );
    assert_eq!(v2().sign(&secret()), "v2=9553ef8a0681c1f33833950fde7c6eba5d926f5a9eb80eb3be0a4d7c53a412e6");
}

#[test]
fn v2_signs_a_request_without_query_and_body() {
    let (path, nonce) = ("/pusher/pushers/", "0123456789abcdef");
    let list = V2 { method: "GET", path, query: "", nonce, body: b"", ..v2() };
    assert_eq!(list.sign(&secret()), "v2=3be4b36a74342ffcdde91bff0b456f32bb09363e481a37b9642e5445910d0823");
    let path = "/pusher/pushers/a%2Fb/";
    let delete = V2 { app_key: "schlüssel", method: "DELETE", path, timestamp: "1", ..list };
    assert_eq!(
        delete.sign(&Secret::new("geheim")),
        "v2=1a822ffc3d8bb499284597effaec47bdca90ccf081c499714fa6da6c008991e6"
    );
}

#[test]
fn v2_takes_its_own_signature_and_no_other() {
    let signature = v2().sign(&secret());
    assert!(v2().verify(&secret(), &signature));
    assert!(!v2().verify(&Secret::new("s2"), &signature));
    for other in ["", "v2=", &signature[3..], &signature.to_uppercase(), &format!("{signature} ")] {
        assert!(!v2().verify(&secret(), other), "{other:?}");
    }
}

#[test]
fn a_nonce_is_sixteen_to_sixty_four_plain_characters() {
    for good in ["0123456789abcdef", "AZaz09_-AZaz09_-", &"x".repeat(64)] {
        assert!(is_nonce(good), "{good:?}");
    }
    for bad in ["", "0123456789abcde", &"x".repeat(65), "0123456789abcde=", "0123456789abcde\n", "0123456789abcdé"] {
        assert!(!is_nonce(bad), "{bad:?}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let shown = format!("{:?} {:?}", Secret::new("geheim"), Some(Secret::from("geheim")));
    assert!(!shown.contains("geheim"), "{shown}");
    assert!(Secret::new("").is_empty() && !Secret::new(" ").is_empty());
}

proptest! {
    /// One byte of one part is changed (its letter, and its length where `grow`): the signature is another.
    #[test]
    fn v2_covers_every_byte(part in 0..7_usize, at in any::<prop::sample::Index>(), with in 1..=255_u8, grow: bool) {
        let signed = v2();
        let mut parts = [
            signed.app_key, signed.method, signed.path, signed.query, signed.timestamp, signed.nonce,
        ].map(|text| text.as_bytes().to_vec()).to_vec();
        parts.push(signed.body.to_vec());
        let at = at.index(parts[part].len());
        if grow { parts[part].insert(at, with) } else { parts[part][at] ^= with }
        // Headers and request lines hold no line breaks, and no text here is other than UTF-8.
        let texts: Vec<_> = parts[..6].iter().map(|bytes| String::from_utf8(bytes.clone())).collect();
        prop_assume!(texts.iter().flatten().filter(|text| !text.contains('\n')).count() == 6);
        let text = |at: usize| texts[at].as_deref().unwrap();
        let changed = V2 {
            app_key: text(0), method: text(1), path: text(2), query: text(3), timestamp: text(4), nonce: text(5),
            body: &parts[6],
        };
        prop_assert!(!changed.verify(&secret(), &signed.sign(&secret())));
    }
}
