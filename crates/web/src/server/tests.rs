use std::io::{Read, Write};
use std::net::Ipv4Addr;

use axum::routing::get;
use tokio::sync::{Notify, oneshot};

use super::*;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A server that ends when the sender is used; the task ends with it.
async fn serve(limits: Limits, router: Router) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let server = Server::bind(ANYWHERE, limits).await.unwrap();
    let address = server.address();
    let (end, ended) = oneshot::channel();
    let shutdown = Shutdown::when(async move {
        let _ = ended.await;
    });
    (address, end, tokio::spawn(server.run(router, shutdown)))
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is closed on us is an end as well.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What takes less time than any of the default limits.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(4), what).await.expect("it takes no longer than it has to")
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = Server::bind(ANYWHERE, Limits::default()).await.unwrap();
    assert_ne!(first.address().port(), 0);
    let error = Server::bind(first.address(), Limits::default()).await.err().unwrap();
    assert_eq!(error.exit_code(), 69);
    assert!(error.to_string().contains(&first.address().to_string()), "{error}");
}

#[tokio::test]
async fn a_client_that_never_ends_its_header_is_let_go() {
    let limits = Limits { header: Duration::from_millis(50), ..Limits::default() };
    let (address, _end, _task) = serve(limits, Router::new().route("/", get("twins"))).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    read_all(&mut slow).await;
    // One that was answered once and then says nothing is let go as well.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_all(&mut idle).await.ends_with("twins"));
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let limits = Limits { connections: 1, header: Duration::from_millis(50), ..Limits::default() };
    let (address, _end, _task) = serve(limits, Router::new().route("/", get("twins"))).await;
    let holder = TcpStream::connect(address).await.unwrap();
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(REQUEST).await.unwrap();
    assert!(read_all(&mut next).await.ends_with("twins"), "the holder loses its place by its timeout");
    drop(holder);
}

#[tokio::test]
async fn the_end_waits_for_a_request_that_is_under_way_and_for_no_idle_client() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (entered.clone(), go.clone());
    let slow = async move || {
        enter.notify_one();
        wait.notified().await;
        "at last"
    };
    let router = Router::new().route("/", get(slow)).route("/quick", get("quick"));
    let (address, end, task) = serve(Limits::default(), router).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(idle.read_u8().await.unwrap(), b'H');
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    end.send(()).unwrap();
    go.notify_one();
    assert!(read_all(&mut busy).await.ends_with("at last"));
    drop(busy);
    soon(task).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let entered = Arc::new(Notify::new());
    let enter = entered.clone();
    let stuck = async move || -> &'static str {
        enter.notify_one();
        std::future::pending().await
    };
    let (address, end, task) = serve(limits, Router::new().route("/", get(stuck))).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    end.send(()).unwrap();
    soon(task).await.unwrap();
}

/// Sends all of a request before it reads any of the answer, as many clients do.
fn upload(address: SocketAddr, method: &str, path: &str, kind: &str) -> String {
    const LENGTH: usize = 8 << 20;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {LENGTH}\r\n\r\n")
        .unwrap();
    stream.write_all(&vec![b'x'; LENGTH]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn an_answer_before_all_was_sent_reaches_the_client() {
    let (_dir, router) = crate::testing::router();
    let (address, _end, _task) = serve(Limits::default(), router).await;
    let form = "multipart/form-data; boundary=x";
    for (method, path, kind, status, detail) in [
        ("POST", "/api/twins?max_price=cheap", form, 400, "`cheap` is not a price: expected a number such as 150"),
        ("POST", "/api/nowhere", form, 404, "The address may be mistyped"),
        ("PUT", "/api/twins", form, 405, "PUT is not possible at this address: expected POST."),
        ("POST", "/api/twins", "image/jpeg", 415, "Expected multipart/form-data."),
    ] {
        let client = tokio::task::spawn_blocking(move || upload(address, method, path, kind));
        let answer = soon(client).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(&format!("\"detail\":\"{detail}")), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_goes_on_sending_is_let_go() {
    let router = Router::new().route("/", get("twins"));
    let brief = Limits { linger: Duration::from_millis(50), linger_bytes: u64::MAX, ..Limits::default() };
    let little = Limits { linger_bytes: 1 << 10, ..Limits::default() };
    for limits in [brief, little] {
        let (address, end, task) = serve(limits, router.clone()).await;
        let mut endless = TcpStream::connect(address).await.unwrap();
        endless.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n").await.unwrap();
        soon(async { while endless.write_all(&[b'x'; 1 << 10]).await.is_ok() {} }).await;
        end.send(()).unwrap();
        soon(task).await.unwrap();
    }
}
