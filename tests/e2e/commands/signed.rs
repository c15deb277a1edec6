//! Commands and workers that sign, and a server that takes nothing else.

use std::path::Path;

use pusher_tests::command::{Ended, command, finish};
use pusher_tests::process::Pusher;
use pusher_tests::provider::Provider;
use pusher_tests::senders;

const SECRET: &str = "a secret, with blanks";

/// A server that knows the key `shop`, and the file that holds its secret.
struct Safe {
    dir: tempfile::TempDir,
    server: Pusher,
    secret_file: String,
}

impl Safe {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        let secret_file = path.to_string_lossy().into_owned();
        let keys = ["--key", "shop", "--secret-file", &secret_file];
        let server = Pusher::serve(&dir.path().join("data"), &keys).await;
        Self { dir, server, secret_file }
    }

    /// `pusher ARGS`, and what the environment says besides where the server is.
    async fn run(&self, args: &[&str], environment: &[(&str, &str)], input: &str) -> Ended {
        let mut command = command(args);
        command.env("PUSHER_API", &self.server.api).envs(environment.iter().copied());
        finish(command, input.as_bytes()).await
    }

    /// The same, signed.
    async fn signed(&self, args: &[&str]) -> Ended {
        let environment = [("PUSHER_KEY", "shop"), ("PUSHER_SECRET_FILE", self.secret_file.as_str())];
        self.run(args, &environment, "").await
    }
}

#[tokio::test]
async fn a_key_can_be_told_in_every_way_and_signs_by_either_scheme() {
    let safe = Safe::new().await;
    let flags = ["pushers", "create", "a", "--nickname", "a&b=c+d ✓", "--key", "shop", "--secret", SECRET];
    safe.run(&flags, &[], "").await.ok();
    let environment = [("PUSHER_KEY", "shop"), ("PUSHER_SECRET", SECRET), ("PUSHER_SIGN", "v1")];
    safe.run(&["pushers", "create", "b/c ✓", "--tag", "t/1"], &environment, "").await.ok();
    let settings = safe.dir.path().join("pusher.toml");
    let file = format!("[client]\nkey = \"shop\"\nsecret-file = {:?}\n", safe.secret_file);
    std::fs::write(&settings, file).unwrap();
    let listed = safe.run(&["pushers", "list", "--config", &settings.to_string_lossy(), "--json"], &[], "").await.ok();
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[tokio::test]
async fn an_import_is_signed_by_v2_and_an_export_by_either() {
    let safe = Safe::new().await;
    let keys = [("PUSHER_KEY", "shop"), ("PUSHER_SECRET", SECRET)];
    let import = ["pushers", "import", "-", "--format", "jsonl", "--batch", "1"];
    let said = safe.run(&import, &keys, "{\"id\":\"a/b\"}\n{\"id\":\"c\"}\n").await.ok();
    assert_eq!(said, "2 lines: 2 created, 0 changed, 0 unchanged, 0 failed.\n");
    for sign in ["v1", "v2"] {
        let exported = safe.run(&["pushers", "export", "--sign", sign], &keys, "").await.ok();
        assert_eq!(exported.lines().count(), 2, "{sign}");
    }
    let refused = safe.run(&[&import[..], &["--sign", "v1"]].concat(), &keys, "{\"id\":\"d\"}\n").await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, "0 lines: 0 created, 0 changed, 0 unchanged, 0 failed.\n"));
    assert!(refused.stderr.contains("sign with v2"), "{}", refused.stderr);
    assert!(refused.stderr.ends_with("; nothing of standard input is imported\n"), "{}", refused.stderr);
}

#[tokio::test]
async fn a_refused_signature_says_what_to_do_and_never_the_secret() {
    let safe = Safe::new().await;
    let list = ["pushers", "list"];
    let stranger = safe.run(&list, &[], "").await.fails(1);
    assert!(stranger.contains("Invalid X-App-Key") && stranger.contains("--key"), "{stranger}");
    let other = safe.run(&list, &[("PUSHER_KEY", "other"), ("PUSHER_SECRET", SECRET)], "").await.fails(1);
    assert!(other.contains("does not know this --key"), "{other}");
    let liar = safe.run(&list, &[("PUSHER_KEY", "shop"), ("PUSHER_SECRET", "geheim")], "").await.fails(1);
    assert!(liar.contains("the secret of this --key") && !liar.contains("geheim"), "{liar}");
    let help = safe.run(&["push", "--help"], &[("PUSHER_SECRET", "geheim")], "").await.ok();
    assert!(!help.contains("geheim"), "{help}");
}

#[tokio::test]
async fn a_worker_with_a_key_delivers_for_a_server_that_has_keys() {
    let safe = Safe::new().await;
    let provider = Provider::start("127.0.0.1:0", "test-key").await.unwrap();
    let folder = safe.dir.path().join("senders");
    senders::sendmail(&folder, &provider.url(), "test-key").unwrap();
    let worker = worker(&safe, &folder).await;
    let create =
        ["pushers", "create", "lupino", "--email", "l@example.com", "--nickname", "Lu", "--sender", "sendmail"];
    safe.signed(&create).await.ok();
    let data = r#"{"subject": "Welcome", "text": "Hello {{.NickName}}"}"#;
    safe.signed(&["push", "sendmail", "lupino", data]).await.ok();
    assert_eq!(provider.wait_for(1).await[0].html, "Hello Lu", "the worker was told who lupino is");
    assert!(worker.stop().await.success());
}

async fn worker(safe: &Safe, senders: &Path) -> Pusher {
    let Pusher { api, periodic, .. } = &safe.server;
    let senders = senders.to_string_lossy();
    let args = ["worker", "--senders", &senders, "--periodic", periodic, "--api", api, "--key", "shop"];
    Pusher::start(&args, &[("PUSHER_SECRET_FILE", &safe.secret_file)]).await.unwrap()
}
