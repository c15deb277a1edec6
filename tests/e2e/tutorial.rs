//! `docs/tutorial.md`, followed line by line: every block of shell in it is run as it stands, in order. Only what says where to
//! listen is another, so that tests can run side by side, and cargo finds again what it built for other tests.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use pusher_tests::authored::{Authored, place};
use pusher_tests::build;
use pusher_tests::wait::PATIENCE;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const TUTORIAL: &str = include_str!("../../docs/tutorial.md");

/// The blocks of shell in a page.
fn blocks(page: &str) -> Vec<&str> {
    let fenced = page.split("```bash\n").skip(1);
    fenced.map(|rest| rest.split_once("\n```").unwrap().0).collect()
}

/// Where one who reads the tutorial sits.
struct Desk {
    /// Where terminals open.
    home: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Desk {
    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("bash");
        let path = std::env::join_paths(
            [build::pusher().parent().unwrap().to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        shell.args(["-euo", "pipefail", "-c", script]).current_dir(&self.home).env("PATH", path.unwrap());
        shell.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        shell.env("CARGO_NET_OFFLINE", "true").env("PUSHER_CACHE", build::root().join("target/senders-cache"));
        shell.envs(self.env.iter().map(|(name, value)| (*name, value)));
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        shell
    }

    /// A block in the terminal that is there all the time: it stays where it went, and knows what it was told to export.
    async fn run(&self, block: &str) -> String {
        let kept = self.home.join(".terminal");
        let begin = format!("if [ -f {0} ]; then . {0}; fi", kept.display());
        let end = format!("export -p > {0}; echo cd \"'$PWD'\" >> {0}", kept.display());
        let output = self.shell(&format!("{begin}\n{block}\n{end}")).stderr(Stdio::piped()).output().await.unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{block}\n{said}\n{errors}");
        said.into_owned()
    }

    /// A block in a terminal of its own, whose last command goes on.
    fn open(&self, block: &str) -> Terminal {
        // In the place of the shell, so that it ends with the test.
        let (before, last) = block.rsplit_once('\n').unwrap();
        let words = last.split(' ').take_while(|word| word.contains('=')).collect::<Vec<_>>();
        let command = last[words.iter().map(|word| word.len() + 1).sum::<usize>()..].trim();
        let mut child = self.shell(&format!("{before}\nexec env {} {command}", words.join(" "))).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Terminal { _child: child, lines }
    }
}

struct Terminal {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    /// The rest of the next line that begins so.
    async fn line(&mut self, prefix: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(prefix) {
                    return rest.trim().to_owned();
                }
            }
            panic!("it ended before it said {prefix:?}");
        };
        timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("it never said {prefix:?}"))
    }
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} in {}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn the_tutorial_ends_in_a_delivered_message() {
    let blocks = blocks(TUTORIAL);
    let [provider, new, build, check, run, replay, serve, push] = blocks[..] else { panic!("{blocks:#?}") };
    let mut desk = Desk { home: place("tutorial"), env: Vec::new() };

    let mut provider = desk.open(&provider.replace("6070", "0"));
    let port = provider.line("taking messages on port ").await;
    desk.run(new).await;
    let crate_dir = desk.home.join("hello");
    Authored { dir: crate_dir.clone() }.share_target();
    replace(&crate_dir.join("hello.toml"), "6070", &port);

    desk.run(build).await;
    let said = desk.run(check).await;
    assert!(said.ends_with("  verdict    a worker would load it\n"), "{said}");
    let said = desk.run(run).await;
    assert!(said.contains("-> 202, ") && said.contains("\noutcome  done\n"), "{said}");
    assert!(provider.line("Bearer demo-token ").await.contains(r#""text":"Hello Ada","to":"ada@example.com""#));
    assert!(desk.run(replay).await.contains("\noutcome  done\n"));

    let free = |name| (name, "127.0.0.1:0".to_owned());
    desk.env = vec![free("PUSHER_HOST"), free("PUSHER_ADMIN"), ("PUSHER_PERIODIC_LISTEN", "tcp://127.0.0.1:0".into())];
    desk.env.push(("PUSHER_LOG", "error".into()));
    let mut server = desk.open(serve);
    let api = server.line("api:").await;
    server.line("ready").await;
    desk.env = vec![("PUSHER_API", api)];
    let said = desk.run(push).await;
    assert!(said.starts_with("Saved ada.\nAccepted as ada_"), "{said}");
    assert!(
        provider.line("Bearer demo-token ").await.contains(r#""text":"Hello Ada, for real","to":"ada@example.com""#)
    );
}
