//! The address of an API server, as people write it.

use url::Url;

use crate::error::ClientError;

/// The base URL that `text` means: `http://localhost:6000`, or just `localhost:6000`. A path in it goes before the
/// paths of the API.
///
/// # Errors
/// [`ClientError::BaseUrl`] if it is no URL, neither http nor https, or has a query or a fragment.
pub fn base_url(text: &str) -> Result<Url, ClientError> {
    let refuse = |reason: String| ClientError::BaseUrl { text: text.to_owned(), reason };
    let parsed = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = parsed.map_err(|error| refuse(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(format!("{} is not http or https", url.scheme())));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a query or a fragment".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_left_out() {
        for (text, url) in [
            ("localhost:6000", "http://localhost:6000/"),
            ("http://localhost:6000", "http://localhost:6000/"),
            ("https://push.example.com/api", "https://push.example.com/api"),
            ("[::1]:6000", "http://[::1]:6000/"),
        ] {
            assert_eq!(base_url(text).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":6000", "ftp://localhost", "localhost:port", "localhost:6000/?q=1"] {
            assert!(matches!(base_url(text), Err(ClientError::BaseUrl { .. })), "{text}");
        }
    }
}
