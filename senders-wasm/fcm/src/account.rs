//! The service account that the messages are sent as, and the assertion that it is: a JWT signed with its key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use crate::rsa::{Error, Key};

/// What the access token is for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// How long an assertion holds, in seconds; Google takes no more.
const LIFETIME: u64 = 3600;

/// What a service account's key file says, as far as it matters here.
#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct ServiceAccount {
    client_email: String,
    pub(crate) private_key: String,
    /// Which of the account's keys it is.
    private_key_id: String,
    pub(crate) project_id: String,
    /// Where access tokens are to be had.
    pub(crate) token_uri: String,
}

impl Default for ServiceAccount {
    fn default() -> Self {
        Self {
            client_email: String::new(),
            private_key: String::new(),
            private_key_id: String::new(),
            project_id: String::new(),
            token_uri: "https://oauth2.googleapis.com/token".to_owned(),
        }
    }
}

impl ServiceAccount {
    /// Reads a key file. The error shows nothing of it.
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let account: Self = serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!(
                "the secret service_account is no service account's key file: line {line}, column {column} is wrong"
            )
        })?;
        for (name, value) in [("client_email", &account.client_email), ("private_key", &account.private_key)] {
            if value.is_empty() {
                return Err(format!("the secret service_account has no {name:?}: it is no service account's key file"));
            }
        }
        Ok(account)
    }

    /// The assertion to exchange for an access token, made `now`, in Unix seconds.
    pub(crate) fn assertion(&self, now: u64) -> Result<String, Error> {
        let key = Key::from_pem(&self.private_key)?;
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.private_key_id });
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + LIFETIME,
        });
        let mut jwt = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = key.sign(jwt.as_bytes())?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;
    use crate::rsa::tests::verifies;

    pub(crate) fn account() -> ServiceAccount {
        ServiceAccount::parse(include_str!("../testdata/service-account.json")).unwrap()
    }

    #[test]
    fn the_assertion_is_a_jwt_that_the_public_key_verifies() {
        let jwt = account().assertion(1_700_000_000).unwrap();
        let [header, claims, signature] = jwt.split('.').collect::<Vec<_>>()[..] else { panic!("{jwt}") };
        let decode = |part| URL_SAFE_NO_PAD.decode(part).unwrap();
        let json = |part| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        assert_eq!(
            json(header),
            json!({ "alg": "RS256", "typ": "JWT", "kid": "a-test-key-made-for-these-tests-it-opens-nothing" })
        );
        assert_eq!(
            json(claims),
            json!({
                "iss": "pusher@test-project.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/firebase.messaging",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_700_000_000,
                "exp": 1_700_003_600,
            })
        );
        assert!(verifies(format!("{header}.{claims}").as_bytes(), &decode(signature)));
        assert!(!verifies(format!("{header}.{claims}x").as_bytes(), &decode(signature)));
    }

    #[test]
    fn what_is_no_key_file_is_refused_and_not_shown() {
        let reason = |json: &str| ServiceAccount::parse(json).map(|_| ()).unwrap_err();
        for json in ["-----BEGIN secret", r#""secret""#, r#"{"private_key": ["secret"]}"#, ""] {
            let reason = reason(json);
            assert!(reason.contains("is no service account's key file") && !reason.contains("secret\""), "{reason}");
            assert!(!reason.contains("BEGIN"), "{reason}");
        }
        assert!(reason(r#"{"client_email": "a@b"}"#).contains("has no \"private_key\""));
        assert!(reason(r#"{"private_key": "secret"}"#).contains("has no \"client_email\""));
    }

    #[test]
    fn tokens_are_had_from_google_unless_the_file_says_otherwise() {
        let account = ServiceAccount::parse(r#"{"client_email": "a@b", "private_key": "k"}"#).unwrap();
        assert_eq!(account.token_uri, "https://oauth2.googleapis.com/token");
    }
}
