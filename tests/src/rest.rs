//! Requests as curl would send them, and what came back.

use reqwest::Client;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Sends requests to one API server.
#[derive(Clone)]
pub struct Rest {
    base: String,
    http: Client,
}

impl Rest {
    /// Requests to `base`, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned(), http: Client::new() }
    }

    /// `curl base/target`
    ///
    /// # Panics
    /// If there is no answer: this is for tests.
    pub async fn get(&self, target: &str) -> Reply {
        self.try_get(target).await.unwrap_or_else(|e| panic!("GET {target}: {e}"))
    }

    /// As [`Rest::get`], for a server that may be gone.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_get(&self, target: &str) -> reqwest::Result<Reply> {
        reply(self.http.get(format!("{}{target}", self.base))).await
    }

    /// `curl base/target -d key=value …`
    ///
    /// # Panics
    /// If there is no answer: this is for tests.
    pub async fn post(&self, target: &str, form: &[(&str, &str)]) -> Reply {
        self.try_post(target, form).await.unwrap_or_else(|e| panic!("POST {target}: {e}"))
    }

    /// As [`Rest::post`], for a server that may be gone.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn try_post(&self, target: &str, form: &[(&str, &str)]) -> reqwest::Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}{target}", self.base)).body(body);
        reply(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// `curl base/target -H 'content-type: …' --data-binary body`
    ///
    /// # Panics
    /// If there is no answer: this is for tests.
    pub async fn post_as(&self, target: &str, content_type: &str, body: &str) -> Reply {
        let request = self.http.post(format!("{}{target}", self.base)).body(body.to_owned());
        let answer = reply(request.header("content-type", content_type)).await;
        answer.unwrap_or_else(|e| panic!("POST {target}: {e}"))
    }

    /// Creates `pusher` with an e-mail address and switches `sender` on.
    ///
    /// # Panics
    /// If either is refused.
    pub async fn recipient(&self, pusher: &str, sender: &str) {
        let email = format!("{pusher}@example.com");
        let form = [("pusher", pusher), ("email", &email), ("nickname", "Lu")];
        let created = self.post("/pusher/pushers/", &form).await;
        assert_eq!(created.status, 200, "{created:?}");
        let added = self.post(&format!("/pusher/{sender}/add"), &[("pusher", pusher)]).await;
        assert_eq!(added.status, 200, "{added:?}");
    }

    /// Pushes `data` to `pusher`; the reply.
    pub async fn push(&self, sender: &str, pusher: &str, data: &str) -> Reply {
        self.post(&format!("/pusher/{sender}/push"), &[("pusher", pusher), ("data", data)]).await
    }
}

async fn reply(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
    let response = request.send().await?;
    Ok(Reply { status: response.status().as_u16(), body: response.text().await? })
}
