//! Periodic over TLS, by the flags: a server that wants certificates, a command and a worker that have them.

use std::path::{Path, PathBuf};

use pusher_tests::command::run;
use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// `ca.pem`, and for each name `NAME.pem` and `NAME.key`, in `dir`.
fn certificates(dir: &Path, names: &[&str]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join("ca.pem"), ca.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![(*name).to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// The flags that show this certificate and trust the authority.
fn flags(dir: &Path, name: &str) -> Vec<String> {
    let path = |file: String| -> String { PathBuf::from(dir).join(file).to_string_lossy().into_owned() };
    let [cert, key, ca] = [format!("{name}.pem"), format!("{name}.key"), "ca.pem".to_owned()].map(path);
    ["--periodic-cert", &cert, "--periodic-key", &key, "--periodic-ca", &ca].map(ToOwned::to_owned).to_vec()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_server_behind_tls_serves_those_who_have_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), &["127.0.0.1", "worker"]);
    let (ours, theirs) = (flags(dir.path(), "127.0.0.1"), flags(dir.path(), "worker"));
    let more = [&["--periodic-listen", "tls://127.0.0.1:0"][..], &strs(&ours)].concat();
    let server = Pusher::serve(&dir.path().join("data"), &more).await;
    assert!(server.periodic.starts_with("tls://127.0.0.1:"), "{}", server.periodic);

    let command = |words: &[&str]| {
        [&["periodic", "--periodic", &server.periodic], words]
            .concat()
            .iter()
            .map(|w| (*w).to_owned())
            .collect::<Vec<_>>()
    };
    let submit = command(&[&["submit", "f", "a"], &strs(&theirs)[..]].concat());
    assert_eq!(run(&submit, b"").await.ok(), "Submitted a of f, to be run now.\n");
    let bare = run(&command(&["ping", "--periodic-ca", &theirs[5]]), b"").await.fails(1);
    assert!(bare.contains("a client certificate is required"), "{bare}");
    let stranger = run(&command(&["ping"]), b"").await.fails(1);
    assert!(stranger.contains("CA file") || stranger.contains("authority that is not trusted"), "{stranger}");

    // A worker.
    let senders = dir.path().join("senders");
    pusher_tests::senders::sample(&senders).unwrap();
    let senders = senders.to_string_lossy().into_owned();
    let words = ["worker", "--senders", &senders, "--periodic", &server.periodic, "--api", &server.api];
    let words = [&words[..], &["--admin", "127.0.0.1:0"], &strs(&theirs)].concat();
    let worker = Pusher::start(&words, &[]).await.unwrap();
    let operator = Rest::new(&worker.admin);
    let works = async || (operator.get("/readyz").await.status == 200).then_some(());
    pusher_tests::wait::until("the worker to be connected", works).await;
    assert!(worker.stop().await.success());

    // Another server, that submits there.
    let elsewhere = [&["--periodic", server.periodic.as_str()][..], &strs(&theirs)].concat();
    let external = Pusher::serve(&dir.path().join("other"), &elsewhere).await;
    let ready = Rest::new(&external.admin).get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(external.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn files_and_flags_that_do_not_fit_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), &["127.0.0.1", "other"]);
    let work_dir = dir.path().join("data").to_string_lossy().into_owned();
    let serve = |words: &[&str]| {
        let listen = ["serve", "--host", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--work-dir", &work_dir];
        [&listen[..], words].concat().iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()
    };
    let bare = run(&serve(&["--periodic-listen", "tls://127.0.0.1:0"]), b"").await.fails(2);
    assert!(bare.contains("--periodic-cert is missing"), "{bare}");
    let flags = flags(dir.path(), "127.0.0.1");
    let plain =
        run(&serve(&[&["--periodic-listen", "tcp://127.0.0.1:0"], &strs(&flags)[..]].concat()), b"").await.fails(2);
    assert!(plain.contains("certificates are for tls://"), "{plain}");
    let mut mixed = flags.clone();
    mixed[3] = dir.path().join("other.key").to_string_lossy().into_owned();
    let mixed =
        run(&serve(&[&["--periodic-listen", "tls://127.0.0.1:0"], &strs(&mixed)[..]].concat()), b"").await.fails(1);
    assert!(mixed.contains("other.key") && mixed.contains("give the key it was made for"), "{mixed}");
}

#[tokio::test]
async fn periodicd_listens_with_tls_and_without_and_ends_when_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path(), &["127.0.0.1"]);
    let ours = flags(dir.path(), "127.0.0.1");
    let socket = format!("unix://{}/p.sock", dir.path().display());
    let listen = ["periodicd", "--memory", "--listen", &socket, "--listen", "tls://127.0.0.1:0"];
    // Without the authority for clients, who then need no certificate.
    let server = Pusher::start(&[&listen[..], &strs(&ours[..4])].concat(), &[]).await.unwrap();
    let ask =
        async |address: &str, words: &[&str]| run(&[&["periodic", "--periodic", address], words].concat(), b"").await;
    ask(&socket, &["submit", "f", "plain"]).await.ok();
    let status = ask(&server.periodic, &["status", "--json", "--periodic-ca", &ours[5]]).await.ok();
    assert!(status.contains("\"func\":\"f\""), "{status}");
    assert_eq!(ask(&socket, &["shutdown"]).await.ok(), format!("{socket} ends.\n"));
    assert!(server.ended().await.success());
}
