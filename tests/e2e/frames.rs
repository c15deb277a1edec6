//! Bytes that are no Periodic frames close the connection they came on, and no other.

use pusher_tests::process::Pusher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// TYPE_CLIENT, and PING with message id 1.
const REGISTER: &[u8] = b"\0REQ\x00\x00\x00\x01\xa5\x05\xdf\x1b\x01";
const PING: &[u8] = b"\0REQ\x00\x00\x00\x05\xa6\xe5\x7e\xf8\x00\x00\x00\x01\x09";
const PONG: &[u8] = b"\0RES\x00\x00\x00\x05\x3f\xec\x2f\x42\x00\x00\x00\x01\x0a";

async fn register(server: &Pusher) -> TcpStream {
    let mut stream = TcpStream::connect(server.periodic.trim_start_matches("tcp://")).await.unwrap();
    stream.write_all(REGISTER).await.unwrap();
    let mut reply = [0; 17];
    stream.read_exact(&mut reply).await.unwrap();
    stream
}

async fn ping(stream: &mut TcpStream) {
    stream.write_all(PING).await.unwrap();
    let mut pong = [0; 17];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(pong, PONG);
}

#[tokio::test]
async fn a_bad_crc_or_a_size_over_the_cap_closes_that_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let mut good = register(&server).await;
    ping(&mut good).await;
    let bad_crc = b"\0REQ\x00\x00\x00\x05\xff\xff\xff\xff\x00\x00\x00\x01\x09".as_slice();
    let over_the_cap = b"\0REQ\x01\x00\x00\x01\x00\x00\x00\x00".as_slice();
    for bytes in [bad_crc, over_the_cap] {
        let mut bad = register(&server).await;
        bad.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // Closed, politely or not, and without a word.
        assert_eq!(bad.read_to_end(&mut rest).await.unwrap_or(0), 0);
        ping(&mut good).await;
    }
    server.stop().await;
}
