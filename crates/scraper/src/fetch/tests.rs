//! Manners, against a small server of the test's own.

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::*;
use crate::Journal;
use crate::clock::Clock;
use crate::journal::fetched::RobotsRow;
use crate::stop::Stopper;
use crate::testing::{Asked, Reply, not_found, serve};

/// A shop, what it was asked, and a fetcher whose clock does not make the test wait.
struct Shop {
    origin: String,
    asked: Asked,
    fetcher: Fetcher,
    clock: Clock,
    journal: SharedJournal,
    _stopper: Stopper,
}

const MANNERS: Manners = Manners { delay: Duration::from_millis(250), allow_loopback: true };
const LIMITS: Limits = Limits { page_bytes: 100_000, image_bytes: 100_000, deadline: Duration::from_secs(5) };

async fn shop_within(reply: Reply, limits: Limits) -> Shop {
    let (origin, asked) = serve(reply).await;
    let (stopper, stop) = Stopper::new();
    let clock = Clock::test();
    let journal = SharedJournal::new(Journal::open(std::path::Path::new(":memory:")).unwrap());
    let governor = Arc::new(Governor::new(clock.clone(), stop));
    let fetcher = Fetcher::new("GoodTwin/0.1 (+mailto:a@b.example)", governor, journal.clone(), limits).unwrap();
    Shop { origin, asked, fetcher, clock, journal, _stopper: stopper }
}

async fn shop(reply: Reply) -> Shop {
    shop_within(reply, LIMITS).await
}

impl Shop {
    async fn get(&self, path: &str) -> Result<Answer, FetchError> {
        self.get_known(path, &Validators::default()).await
    }

    async fn get_known(&self, path: &str, known: &Validators) -> Result<Answer, FetchError> {
        let url = format!("{}{path}", self.origin).parse().unwrap();
        self.fetcher.page(&url, MANNERS, known).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.paths()
    }

    async fn robots(&self) -> RobotsRow {
        let origin = self.origin.clone();
        self.journal.with(move |journal| journal.robots(&origin)).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn robots_txt_is_asked_once_first_and_obeyed() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => "User-agent: GoodTwin\nDisallow: /private\nCrawl-delay: 3\n".into_response(),
        _ => "hello".into_response(),
    })
    .await;
    assert_eq!(shop.get("/a").await.unwrap().body, "hello");
    let error = shop.get("/private/b").await.unwrap_err();
    assert!(error.to_string().ends_with(": line 2: Disallow: /private"), "{error}");
    shop.get("/c").await.unwrap();
    assert_eq!(shop.asked(), ["/robots.txt", "/a", "/c"]);
    // The crawl's delay after robots.txt was asked, then the host's own.
    assert_eq!(shop.clock.elapsed(), Duration::from_secs(6));
    assert_eq!(shop.robots().await.outcome, "rules");
}

#[tokio::test]
async fn what_robots_txt_says_is_kept_for_a_day() {
    let shop = shop(|_, _| "User-agent: *\nDisallow: /now\n".into_response()).await;
    let row = |hours: i64| RobotsRow {
        fetched_at: Timestamp::now() - jiff::SignedDuration::from_hours(hours),
        outcome: "rules".into(),
        body: b"User-agent: *\nDisallow: /then\n".to_vec(),
    };
    let origin = shop.origin.clone();
    shop.journal.with(move |journal| journal.put_robots(&origin, &row(23))).await.unwrap();
    assert!(matches!(shop.get("/then").await, Err(FetchError::Robots { .. })));
    shop.get("/now").await.unwrap();
    assert_eq!(shop.asked(), ["/now"]);
}

#[tokio::test]
async fn a_shop_without_robots_txt_allows_all_and_one_that_fails_allows_nothing() {
    let open = shop(|path, _| if path == "/robots.txt" { not_found() } else { "hello".into_response() }).await;
    open.get("/a").await.unwrap();
    assert_eq!(open.robots().await.outcome, "allow-all");

    let failing = shop(|path, _| match path {
        "/robots.txt" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => "hello".into_response(),
    })
    .await;
    let error = failing.get("/a").await.unwrap_err();
    assert!(matches!(error, FetchError::NoRobots { .. }) && !error.is_refusal(), "{error}");
    assert!(error.to_string().starts_with(&format!("{}/robots.txt: answered 500;", failing.origin)), "{error}");
    assert!(failing.asked().iter().all(|path| path == "/robots.txt"));
    assert_eq!(failing.robots().await.outcome, "disallow-all");
}

#[tokio::test]
async fn retry_after_is_waited_for_and_a_host_that_goes_on_so_is_stalled() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => not_found(),
        _ => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "7")]).into_response(),
    })
    .await;
    let error = shop.get("/a").await.unwrap_err();
    assert!(matches!(error, FetchError::NoTurn(NoTurn::Stalled { .. })), "{error}");
    assert_eq!(shop.asked().len(), 1 + 5);
    assert_eq!(shop.clock.elapsed(), Duration::from_millis(250 + 4 * 7_000));
}

#[tokio::test]
async fn an_hour_is_not_waited_for_and_a_billion_seconds_are_not_believed() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => not_found(),
        "/hour" => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "3600")]).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1000000000")]).into_response(),
    })
    .await;
    let error = shop.get("/for-ever").await.unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");
    assert_eq!(shop.asked().len(), 1 + ATTEMPTS as usize);
    let error = shop.get("/hour").await.unwrap_err();
    assert!(error.to_string().contains("Retry-After: 3600 s"), "{error}");
    assert_eq!(shop.asked().len(), 2 + ATTEMPTS as usize);
}

#[tokio::test]
async fn a_robots_txt_that_is_refused_for_now_is_no_answer_and_is_not_kept_as_one() {
    let shop = shop(|_, _| (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "3600")]).into_response()).await;
    let error = shop.get("/a").await.unwrap_err();
    assert!(matches!(error, FetchError::NoTurn(NoTurn::Stalled { .. })), "{error}");
    let origin = shop.origin.clone();
    assert_eq!(shop.journal.look(move |journal| journal.robots(&origin)).await.unwrap(), None);
}

#[tokio::test]
async fn broken_pages_cost_a_shop_no_other_page() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => not_found(),
        "/whole" => "hello".into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
    .await;
    for n in 0..6 {
        assert!(matches!(shop.get(&format!("/{n}")).await, Err(FetchError::Status { status: 500, .. })));
    }
    assert_eq!(shop.get("/whole").await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_host_that_takes_no_connections_is_named_with_the_cause() {
    let shop = shop(|_, _| not_found()).await;
    let url: Url = format!("http://{}/a", closed_port()).parse().unwrap();
    let error = shop.fetcher.page(&url, MANNERS, &Validators::default()).await.unwrap_err();
    let expected = format!("{}: Connection refused", url.join("/robots.txt").unwrap());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

fn closed_port() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_host_that_takes_no_connections_is_stalled() {
    let shop = shop(|_, _| not_found()).await;
    let closed = closed_port();
    let url: Url = format!("http://{closed}/a").parse().unwrap();
    let allow_all = RobotsRow { fetched_at: Timestamp::now(), outcome: "allow-all".into(), body: vec![] };
    let origin = format!("http://{closed}");
    shop.journal.with(move |journal| journal.put_robots(&origin, &allow_all)).await.unwrap();
    let first = shop.fetcher.page(&url, MANNERS, &Validators::default()).await;
    assert!(matches!(first, Err(FetchError::NoConnection { .. })), "{first:?}");
    let second = shop.fetcher.page(&url, MANNERS, &Validators::default()).await;
    assert!(matches!(second, Err(FetchError::NoTurn(NoTurn::Stalled { .. }))), "{second:?}");
}

#[tokio::test]
async fn a_crawl_delay_that_no_run_can_wait_for_is_not_cut_short() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => "User-agent: *\nCrawl-delay: 3600\n".into_response(),
        _ => "hello".into_response(),
    })
    .await;
    let error = shop.get("/a").await.unwrap_err();
    assert!(matches!(error, FetchError::NoTurn(NoTurn::TooSlow { .. })), "{error}");
    assert_eq!(shop.asked(), ["/robots.txt"]);
}

#[test]
fn a_host_is_paced_whatever_its_port_but_this_machine_by_ports() {
    for (url, host) in [
        ("https://shop.example/a", "shop.example"),
        ("http://shop.example.:8080/", "shop.example"),
        ("http://127.0.0.1:8471/", "127.0.0.1:8471"),
        ("http://localhost/", "localhost:80"),
        ("http://[::1]:81/", "[::1]:81"),
    ] {
        assert_eq!(host_of(&url.parse().unwrap()), host);
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let shop = shop(|path, headers| match (path, headers.get(IF_NONE_MATCH)) {
        ("/robots.txt", _) => not_found(),
        (_, Some(tag)) if tag == "\"one\"" => (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"one\"")]).into_response(),
        _ => ([(header::ETAG, "\"one\""), (header::LAST_MODIFIED, "Mon, 23 Nov 2026 12:00:00 GMT")], "body")
            .into_response(),
    })
    .await;
    let first = shop.get("/a").await.unwrap();
    assert!(!first.not_modified);
    assert_eq!(first.validators.last_modified.as_deref(), Some("Mon, 23 Nov 2026 12:00:00 GMT"));
    let again = shop.get_known("/a", &first.validators).await.unwrap();
    assert!(again.not_modified && again.body.is_empty());
}

#[tokio::test]
async fn redirects_are_followed_to_where_they_may_lead_and_no_further() {
    let shop = shop(|path, _| {
        let place = match path {
            "/robots.txt" => return "User-agent: *\nDisallow: /private\n".into_response(),
            "/new" => return "hello".into_response(),
            "/old" => "/new",
            "/round" => "/round",
            "/inside" => "http://10.0.0.1/secrets",
            "/metadata" => "http://169.254.169.254/latest",
            "/file" => "file:///etc/passwd",
            _ => "/private",
        };
        (StatusCode::FOUND, [(LOCATION, place)]).into_response()
    })
    .await;
    let answer = shop.get("/old").await.unwrap();
    assert_eq!((answer.url.path(), &answer.body[..]), ("/new", &b"hello"[..]));
    assert!(matches!(shop.get("/round").await, Err(FetchError::Redirects { .. })));
    for path in ["/inside", "/metadata"] {
        assert!(matches!(shop.get(path).await, Err(FetchError::Refused(guard::Refused::Private { .. }))), "{path}");
    }
    assert!(matches!(shop.get("/file").await, Err(FetchError::Refused(guard::Refused::Scheme { .. }))));
    assert!(matches!(shop.get("/to-private").await, Err(FetchError::Robots { .. })));
    assert!(!shop.asked().contains(&"/private".into()));
}

#[tokio::test]
async fn a_redirect_to_another_host_asks_that_hosts_robots_txt_and_goes_at_its_pace() {
    let other = shop(|path, _| match path {
        "/robots.txt" => "User-agent: *\nDisallow: /private\n".into_response(),
        _ => "other".into_response(),
    })
    .await;
    let first = shop(|path, headers| match path {
        "/robots.txt" => not_found(),
        // The other shop's address comes along in the request, since this function can hold none.
        _ => (StatusCode::FOUND, [(LOCATION, headers[IF_NONE_MATCH].to_str().unwrap())]).into_response(),
    })
    .await;
    let to = async |path: &str| {
        let known = Validators { etag: Some(format!("{}{path}", other.origin)), last_modified: None };
        first.get_known("/a", &known).await
    };
    assert_eq!(to("/open").await.unwrap().body, "other");
    assert!(matches!(to("/private").await, Err(FetchError::Robots { .. })));
    assert_eq!(other.asked(), ["/robots.txt", "/open"]);
}

#[tokio::test]
async fn robots_txt_is_followed_through_five_redirects_and_cut_at_its_cap() {
    let hops: Reply = |path, _| {
        let next = match path {
            "/robots.txt" => "/1",
            "/1" => "/2",
            "/2" => "/3",
            "/3" => "/4",
            "/4" => "/5",
            "/5" => {
                let mut body = "User-agent: *\nDisallow: /early\n".to_string();
                body += &"#".repeat(robots::MAX_BYTES - body.len() - 1);
                return (body + "\nDisallow: /late\n").into_response();
            }
            _ => return "hello".into_response(),
        };
        (StatusCode::FOUND, [(LOCATION, next)]).into_response()
    };
    let shop = shop_within(hops, Limits { page_bytes: 1, ..LIMITS }).await;
    assert!(matches!(shop.get("/early").await, Err(FetchError::Robots { .. })));
    assert!(!matches!(shop.get("/late").await, Err(FetchError::Robots { .. })));

    let for_ever = self::shop(|path, _| match path {
        "/a" => "hello".into_response(),
        _ => (StatusCode::FOUND, [(LOCATION, "/again")]).into_response(),
    })
    .await;
    for_ever.get("/a").await.unwrap();
    assert_eq!(for_ever.asked().iter().filter(|path| *path != "/a").count(), 6);
}

#[tokio::test]
async fn loopback_is_not_asked_unless_the_store_says_so() {
    let shop = shop(|_, _| "hello".into_response()).await;
    let strict = Manners { allow_loopback: false, ..MANNERS };
    for host in [shop.origin.clone(), shop.origin.replace("127.0.0.1", "localhost")] {
        let url = format!("{host}/a").parse().unwrap();
        let refused = shop.fetcher.page(&url, strict, &Validators::default()).await;
        assert!(matches!(refused, Err(FetchError::Refused(guard::Refused::Private { .. }))), "{refused:?}");
    }
    assert!(shop.asked().is_empty());
}

/// 64 MiB of spaces in each encoding that we accept: a few kilobytes on their way, a thousand times as much unpacked.
fn bomb(path: &str) -> Option<(&'static str, Vec<u8>)> {
    use std::io::Write;
    const UNPACKED: usize = 64 << 20;
    let fill = |packer: &mut dyn Write| {
        for _ in 0..UNPACKED >> 20 {
            packer.write_all(&[b' '; 1 << 20]).unwrap();
        }
    };
    Some(match path {
        "/gzip" => {
            let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
            fill(&mut packer);
            ("gzip", packer.finish().unwrap())
        }
        "/br" => {
            let mut packer = brotli::CompressorWriter::new(vec![], 1 << 16, 5, 22);
            fill(&mut packer);
            ("br", packer.into_inner())
        }
        "/zstd" => {
            let mut packer = zstd::Encoder::new(vec![], 3).unwrap();
            fill(&mut packer);
            ("zstd", packer.finish().unwrap())
        }
        _ => return None,
    })
}

#[tokio::test]
async fn bombs_are_refused_once_they_are_larger_than_the_cap() {
    let shop = shop(|path, _| match bomb(path) {
        Some((encoding, bytes)) => {
            assert!(bytes.len() < 100_000, "{encoding}: {} bytes", bytes.len());
            ([(header::CONTENT_ENCODING, encoding)], bytes).into_response()
        }
        None => not_found(),
    })
    .await;
    for path in ["/gzip", "/br", "/zstd"] {
        let error = shop.get(path).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge { limit: 100_000, .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn answers_beyond_the_cap_are_refused() {
    let shop = shop(|path, _| match path {
        "/robots.txt" => not_found(),
        "/fits" => vec![b' '; 100_000].into_response(),
        _ => vec![b' '; 100_001].into_response(),
    })
    .await;
    assert_eq!(shop.get("/fits").await.unwrap().body.len(), 100_000);
    let error = shop.get("/plain").await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: 100_000, .. }), "{error}");
}

#[tokio::test]
async fn a_body_that_never_comes_meets_the_deadline() {
    let never: Reply = |path, _| match path {
        "/robots.txt" => not_found(),
        _ => {
            let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
            axum::body::Body::from_stream(never).into_response()
        }
    };
    let shop = shop_within(never, Limits { deadline: Duration::from_millis(50), ..LIMITS }).await;
    let error = shop.get("/a").await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within 0.05 s"), "{error}");
}

#[tokio::test]
async fn a_body_that_trickles_byte_by_byte_meets_the_deadline_too() {
    let trickle: Reply = |path, _| match path {
        "/robots.txt" => not_found(),
        _ => {
            let drop = async |n: u32| {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), n + 1))
            };
            axum::body::Body::from_stream(futures::stream::unfold(0, drop)).into_response()
        }
    };
    let shop = shop_within(trickle, Limits { deadline: Duration::from_millis(100), ..LIMITS }).await;
    let error = shop.get("/a").await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within 0.1 s"), "{error}");
}

#[tokio::test]
async fn a_request_says_who_asks_and_takes_what_is_packed() {
    let shop = shop(|path, headers| match path {
        "/robots.txt" => not_found(),
        _ => format!("{:?} {:?}", headers[header::USER_AGENT], headers[header::ACCEPT_ENCODING]).into_response(),
    })
    .await;
    let body = String::from_utf8(shop.get("/").await.unwrap().body.to_vec()).unwrap();
    assert!(body.contains("GoodTwin/0.1 (+mailto:a@b.example)"), "{body}");
    assert!(["gzip", "br", "zstd"].iter().all(|packed| body.contains(packed)), "{body}");
}
