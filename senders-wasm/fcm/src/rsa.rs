//! Signatures RS256: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2).
//!
//! The `rsa` crate would do it, but RUSTSEC-2023-0071 (timing) stands against all its versions. Here `crypto-bigint`
//! computes the powers, in constant time; what is left to do is the padding and the Chinese remainder theorem, which
//! makes a signature three times as fast as one power of the whole modulus.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, ConcatenatingMul, Odd, Resize};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use sha2::{Digest, Sha256};

/// What stands before a SHA-256 in a signature: the DER of its `DigestInfo` (RFC 8017 §9.2, note 1).
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
/// How many bytes a modulus has: 2048 to 8192 bits.
const BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why there is no signature. The texts hold nothing of the key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Error(&'static str);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Error {}

/// An RSA private key of two primes of the same length.
pub(crate) struct Key {
    modulus: BoxedMontyParams,
    public_exponent: BoxedUint,
    p: Prime,
    q: Prime,
    /// 1/q modulo p.
    coefficient: BoxedUint,
}

struct Prime {
    modulus: BoxedMontyParams,
    /// The private exponent modulo one less than the prime.
    exponent: BoxedUint,
}

impl Key {
    /// Reads a key such as is made for service accounts: PKCS#8 in PEM.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, Error> {
        let base64: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(base64).map_err(|_| Error("the private key is not PEM"))?;
        let info = PrivateKeyInfoRef::try_from(&*der).map_err(|_| Error("the private key is not PKCS#8"))?;
        let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes())
            .map_err(|_| Error("the private key is not one for RSA"))?;
        Self::from_parts(&key).ok_or(Error("the private key is not RSA with two primes and 2048 bits or more"))
    }

    fn from_parts(key: &RsaPrivateKeyRef<'_>) -> Option<Self> {
        let size = key.modulus.as_bytes().len();
        // The primes fill half of the modulus each, and both halves are whole limbs.
        if !BYTES.contains(&size) || !size.is_multiple_of(16) || key.other_prime_infos.is_some() {
            return None;
        }
        let bits = u32::try_from(size).ok()? * 8;
        let number = |part: &pkcs8::der::asn1::UintRef<'_>, bits| BoxedUint::from_be_slice(part.as_bytes(), bits).ok();
        let modulus = |number| Some(BoxedMontyParams::new(Odd::new(number).into_option()?));
        let half = |part| number(part, bits / 2);
        Some(Self {
            modulus: modulus(number(&key.modulus, bits)?)?,
            public_exponent: number(&key.public_exponent, 64)?,
            p: Prime { modulus: modulus(half(&key.prime1)?)?, exponent: half(&key.exponent1)? },
            q: Prime { modulus: modulus(half(&key.prime2)?)?, exponent: half(&key.exponent2)? },
            coefficient: half(&key.coefficient)?,
        })
    }

    /// The signature of `message`, as long as the modulus.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let bits = self.modulus.bits_precision();
        let padded = BoxedUint::from_be_slice(&pad(message, bits as usize / 8), bits)
            .map_err(|_| Error("the padded digest does not fit the modulus"))?;
        let signature = self.power(&padded);
        // A wrong part of the key would make a signature that gives the key away, and one that nobody takes.
        let opened = BoxedMontyForm::new(signature.clone(), &self.modulus).pow(&self.public_exponent).retrieve();
        if opened != padded {
            return Err(Error("the parts of the private key do not belong together"));
        }
        Ok(signature.to_be_bytes().into_vec())
    }

    /// `base` to the private exponent: modulo each prime, put together after RFC 8017 §5.1.2.
    fn power(&self, base: &BoxedUint) -> BoxedUint {
        let p = self.p.residue(base).pow(&self.p.exponent);
        let q = self.q.residue(base).pow(&self.q.exponent).retrieve();
        let coefficient = BoxedMontyForm::new(self.coefficient.clone(), &self.p.modulus);
        let height = (&(&p - &self.p.residue(&q)) * &coefficient).retrieve();
        let high = height.concatenating_mul(self.q.modulus.modulus().as_ref());
        q.resize_unchecked(base.bits_precision()).wrapping_add(&high)
    }
}

impl Prime {
    /// `number` modulo the prime.
    fn residue(&self, number: &BoxedUint) -> BoxedMontyForm {
        let prime = self.modulus.modulus().as_nz_ref().clone().resize_unchecked(number.bits_precision());
        BoxedMontyForm::new((number % &prime).resize_unchecked(self.modulus.bits_precision()), &self.modulus)
    }
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): what is signed instead of `message`, `size` bytes long.
fn pad(message: &[u8], size: usize) -> Vec<u8> {
    let digest = Sha256::digest(message);
    let filling = size.saturating_sub(3 + DIGEST_INFO.len() + digest.len());
    let mut padded = vec![0x00, 0x01];
    padded.resize(2 + filling, 0xff);
    padded.push(0x00);
    padded.extend_from_slice(&DIGEST_INFO);
    padded.extend_from_slice(&digest);
    padded
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use pkcs1::RsaPublicKeyRef;
    use pkcs8::spki::SubjectPublicKeyInfoRef;

    use super::*;
    use crate::account::tests::account;

    /// The test key's signature of `hello`, made by OpenSSL: `openssl dgst -sha256 -sign`.
    const HELLO: &str = "L7ldG2irPc5k1iN2l3l9-tNW83FnlS6kk1Glzrg9VBkDq-7yOb_qT5xJQLhZ5I0BsktO8kApL0FKv1XGt-PQc7LGXy07DSUxgGozjA4xvMKUF7_HaN8akOd4XqF3JRb01qP03h1kx9u107DEftqiPMgT3r9ZzAs65dejFJSTddWEOObULOmTaFhpGz6q6DZazcRVGa_yIq1VlMxFZ40VD0a3VyzQOQ_Nquz2GRINGnhjFRrSHmYiZJzxJXAuAjf_Klo5ySimiSdd8M8WrFoJdRC-w0r_LhFboCthHPhrKLnlkwuIMglR2MbM_OHklnItdpzMzP5m52HmCC0JQK6eyg";

    /// Is it the signature of `message` by the test key, judged with its public half alone?
    pub(crate) fn verifies(message: &[u8], signature: &[u8]) -> bool {
        let pem = include_str!("../testdata/public_key.pem");
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(base64).unwrap();
        let info = SubjectPublicKeyInfoRef::try_from(&*der).unwrap();
        let key = RsaPublicKeyRef::try_from(info.subject_public_key.raw_bytes()).unwrap();
        let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, 2048).unwrap();
        let modulus = BoxedMontyParams::new(Odd::new(number(key.modulus.as_bytes())).unwrap());
        let opened = BoxedMontyForm::new(number(signature), &modulus).pow(&number(key.public_exponent.as_bytes()));
        opened.retrieve().to_be_bytes().into_vec() == pad(message, 256)
    }

    #[test]
    fn a_signature_is_the_one_that_openssl_makes() {
        let signature = Key::from_pem(&account().private_key).unwrap().sign(b"hello").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&signature), HELLO);
        assert!(verifies(b"hello", &signature) && !verifies(b"hallo", &signature));
    }

    #[test]
    fn the_line_ends_of_a_key_do_not_matter() {
        assert!(Key::from_pem(&account().private_key.replace('\n', "\r\n")).is_ok());
        assert!(Key::from_pem(account().private_key.trim_end()).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let reason = |pem: &str| Key::from_pem(pem).map(|_| ()).unwrap_err().to_string();
        assert_eq!(reason("secret!"), "the private key is not PEM");
        assert_eq!(reason("c2VjcmV0"), "the private key is not PKCS#8");
        assert_eq!(reason(""), "the private key is not PKCS#8");
        // Ed25519, from RFC 8410 §10.3.
        let ed25519 = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
        assert_eq!(reason(ed25519), "the private key is not one for RSA");
    }

    #[test]
    fn a_key_whose_parts_do_not_belong_together_signs_nothing() {
        let mut key = Key::from_pem(&account().private_key).unwrap();
        key.p.exponent = key.p.exponent.wrapping_add(BoxedUint::one_with_precision(1024));
        assert_eq!(key.sign(b"hello"), Err(Error("the parts of the private key do not belong together")));
    }
}
