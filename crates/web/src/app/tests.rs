use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::testing::{HOSTILE, ITEMS, catalog, encoder, painted, router};
use crate::upload::{PACE, SILENCE};

struct Got {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Got {
    fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    fn count(&self, what: &str) -> usize {
        self.body.matches(what).count()
    }

    #[track_caller]
    fn says(&self, what: &str) {
        assert!(self.body.contains(what), "no {what:?} in {} {}", self.status, self.body);
    }
}

async fn send(router: &Router, request: Request<Body>) -> Got {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Got { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

async fn get(router: &Router, path: &str) -> Got {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

fn form(path: &str, field: &str, photo: &[u8]) -> Request<Body> {
    let head = format!(
        "--x\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"<b>.jpg\"\r\ncontent-type: image/jpeg\r\n\r\n"
    );
    let body = [head.as_bytes(), photo, b"\r\n--x--\r\n"].concat();
    let request = Request::post(path).header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    request.body(Body::from(body)).unwrap()
}

async fn post(router: &Router, path: &str, photo: &[u8]) -> Got {
    send(router, form(path, "photo", photo)).await
}

/// Upload painted picture `n`; the path of its results.
async fn asked(router: &Router, n: u8) -> String {
    let got = post(router, "/twins", &painted(n).to_png()).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.body);
    got.location().to_string()
}

#[tokio::test]
async fn a_photo_leads_to_its_twins_best_first_and_filters_keep_it() {
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    let page = get(&router, &path).await;
    assert_eq!((page.status, page.count("<li class=\"twin\"")), (StatusCode::OK, 12));
    let first = page.body.split("<li class=\"twin\"").nth(1).unwrap();
    for part in [
        "Bag 7",
        "data-score=\"1.0000\"",
        "The same picture",
        "at shop.example",
        "Maker &#38; Co",
        "£90",
        "data-amount=\"103.45\"",
        "about €103.45",
        "Good On You: <strong>Good</strong>",
        "12 March 2025",
        "https://ratings.example/maker",
        "https://shop.example/7?a=1&#38;b=2",
        "alt=\"Bag 7 by Maker &#38; Co, olive\"",
    ] {
        assert!(first.contains(part), "no {part:?} in {first}");
    }
    assert_eq!((page.count("The same picture"), page.count("% alike")), (1, 0), "twins have no figures");
    page.says("This looks like a tote");
    let cheap = get(&router, &format!("{path}?max_price=45&currency=GBP&hide_sold_out=on")).await;
    // Items 0 to 2 cost up to 40 GBP; 1 has no price and 2 is sold out.
    assert_eq!(cheap.count("<li class=\"twin\""), 1);
    cheap.says("value=\"45\"");
    cheap.says("<option value=\"GBP\" selected>");
    let preview = get(&router, &format!("{path}/photo.jpg")).await;
    assert_eq!(preview.headers[header::CACHE_CONTROL], "private, no-store");
    assert_eq!(preview.headers[header::CONTENT_TYPE], "image/jpeg");
}

#[tokio::test]
async fn links_to_other_twins_keep_the_filters() {
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    let filters = "max_price=300&#38;currency=GBP&#38;min_rating=good";
    let page = get(&router, &format!("{path}?{}&colour=0.25&show=3", filters.replace("&#38;", "&"))).await;
    page.says(&format!("<a id=\"only\" href=\"{path}?{filters}&#38;type=tote&#38;colour=0.25\">Show only those</a>"));
    let like = format!("<a href=\"/like/{}/shop%2F7", goodtwin_core::ContentId::of(painted(7).to_png()));
    page.says(&format!("{like}?{filters}&#38;colour=0.25\">More like this"));
    get(&router, &path).await.says(&format!("{like}\">More like this"));
}

#[tokio::test]
async fn twins_are_shown_without_a_filter_that_cannot_be_read() {
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    let one = get(&router, &format!("{path}?max_price=abc&type=tote&show=100")).await;
    assert_eq!((one.status, one.count("<li class=\"twin\"")), (StatusCode::BAD_REQUEST, ITEMS / 2), "totes alone");
    one.says("<p id=\"wrong-max_price\">“abc” is not a price");
    one.says("<p>The twins below are shown without that filter.</p>");
    one.says("value=\"abc\" aria-invalid=\"true\" aria-describedby=\"wrong-max_price\">");
    assert_eq!(one.count("aria-invalid"), 1);
    // No bag costs so little: in euros the price would hide them all.
    let two = get(&router, &format!("{path}?max_price=1&currency=BRL&min_rating=superb")).await;
    assert_eq!((two.status, two.count("<li class=\"twin\"")), (StatusCode::BAD_REQUEST, 12));
    two.says("<p id=\"wrong-currency\">There is no exchange rate for BRL");
    two.says("shown without those filters");
    assert_eq!(two.count("aria-invalid"), 2);
    assert_eq!(get(&router, &path).await.count("aria-invalid"), 0);
}

#[tokio::test]
async fn an_empty_page_says_what_the_filter_hides() {
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    let none = get(&router, &format!("{path}?max_price=1&type=tote")).await;
    none.says("No twins under this price; <a href=\"");
    none.says(&format!("{path}?type=tote\">15 without the filter</a>"));
    let like = format!("/like/{}", goodtwin_core::ContentId::of(painted(4).to_png()));
    let none = get(&router, &format!("{like}?max_price=1")).await;
    none.says(&format!("{like}/shop%2F4\">29 without the filter</a>"));
    let none =
        get(&router, &format!("{path}?condition=second-hand&min_rating=great&type=shoulder_bag&max_price=99")).await;
    none.says("No twins");
}

#[tokio::test]
async fn more_twins_are_one_link_away() {
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    get(&router, &format!("{path}?type=tote")).await.says(&format!("{path}?type=tote&#38;show=24#twin-13"));
    let all = get(&router, &format!("{path}?show=48")).await;
    assert_eq!(all.count("<li class=\"twin\""), ITEMS);
    assert_eq!(all.count("id=\"more\""), 0);
}

#[tokio::test]
async fn a_picture_of_the_catalogue_has_twins_but_not_itself() {
    let (_dir, router) = router();
    let home = get(&router, "/").await;
    let path = home.body.split("href=\"/like/").nth(1).unwrap().split('"').next().unwrap();
    let page = get(&router, &format!("/like/{path}?show=100")).await;
    assert_eq!((page.status, page.count("<li class=\"twin\"")), (StatusCode::OK, ITEMS - 1));
    let like = format!("/like/{}", goodtwin_core::ContentId::of("another picture"));
    assert_eq!(get(&router, &like).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_offers_with_one_picture_are_twins_of_each_other() {
    let (_dir, mut catalog) = catalog();
    // One row has the picture of another, and a key that is no path.
    catalog.rows[3].sha256 = catalog.rows[2].sha256.clone();
    let picture = catalog.rows[3].sha256.clone();
    for (n, key) in [(2, "a"), (3, "b c+d?/%")] {
        let item = catalog.rows[n].item.as_mut().unwrap();
        (item.id, item.title) = (goodtwin_core::ItemId::new("shop", key), format!("Offer {key}"));
    }
    let router = App::new(catalog, encoder(), ServeConfig::default(), Surroundings::system()).unwrap().router();
    for (own, path, other) in [
        ("Offer a", format!("/like/{picture}/shop%2Fa"), "Offer b c+d?/%"),
        ("Offer b c+d?/%", format!("/like/{picture}/shop%2Fb%20c%2Bd%3F%2F%25"), "Offer a"),
    ] {
        get(&router, &format!("/like/{picture}?show=100")).await.says(&format!("href=\"{path}"));
        let page = get(&router, &format!("{path}?show=100")).await;
        assert_eq!((page.status, page.count("<li class=\"twin\"")), (StatusCode::OK, ITEMS - 1), "{path}");
        page.says(&format!("<h1 id=\"found-title\">Twins of {own}</h1>"));
        page.says(&format!("action=\"{path}\""));
        let twins = page.body.split("<ul id=\"twins\"").nth(1).unwrap();
        assert!(
            twins.contains(&format!(">{other}</a></h2>")) && !twins.contains(&format!(">{own}</a></h2>")),
            "{twins}"
        );
    }
    get(&router, &format!("/like/{picture}")).await.says("Twins of Offer a</h1>");
    assert_eq!(get(&router, &format!("/like/{picture}/shop%2Fc")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn text_of_strangers_stays_text() {
    let (_dir, router) = router();
    let path = asked(&router, 0).await;
    let page = get(&router, &path).await;
    assert_eq!(page.count(HOSTILE), 0);
    page.says("&#60;script&#62;alert(&#39;bag&#39;)&#60;/script&#62;");
    assert_eq!(page.count("javascript:"), 0);
    let wrong = get(&router, &format!("{path}?max_price=%3Cscript%3E&min_rating=%22superb")).await;
    assert_eq!((wrong.status, wrong.count("<script>"), wrong.count("\"superb")), (StatusCode::BAD_REQUEST, 0, 0));
    wrong.says("“&#60;script&#62;” is not a price: expected a number such as 150");
    // On a narrow screen the form fills all that can be seen.
    let place = |what: &str| wrong.body.find(what).unwrap();
    assert!(place("class=\"wrong\"") < place("id=\"filter-box\""), "{}", wrong.body);
    let twice = get(&router, &format!("{path}?max_price=1&max_price=2")).await;
    assert_eq!((twice.status, twice.count("`")), (StatusCode::BAD_REQUEST, 0), "{}", twice.body);
}

#[tokio::test]
async fn bad_uploads_are_told_in_plain_words() {
    let (_dir, router) = router();
    let jpeg = painted(3).to_jpeg(80);
    let big = vec![0; (1 << 20) + 1];
    let thin = Picture::new(4, 4, vec![0; 48]).to_png();
    for (photo, status, says) in [
        (&b""[..], 400, "This file is empty"),
        (b"<!doctype html><h1>Not a bag", 415, "This file is not a photo"),
        (&jpeg[..jpeg.len() / 2], 422, "This photo is cut off"),
        (&thin, 422, "This photo is too small"),
        (&big, 413, "Photos may have up to 1 MB"),
    ] {
        for path in ["/twins", "/api/twins"] {
            let got = post(&router, path, photo).await;
            assert_eq!(got.status, status, "{}", got.body);
            got.says(says);
            let kind = got.headers[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(kind.starts_with("application/json"), path.starts_with("/api"), "{kind}");
            // Another photo can be chosen on the page.
            let forms = usize::from(path == "/twins");
            assert_eq!(got.count("<form class=\"upload\" action=\"/twins\""), forms, "{}", got.body);
        }
    }
    // The cause is for those who want to know, and for programs.
    let cut = &jpeg[..jpeg.len() / 2];
    post(&router, "/twins", cut).await.says("id=\"cause\">The JPEG file is cut off after ");
    post(&router, "/api/twins", cut).await.says("or choose another one. (the JPEG file is cut off after ");
    let huge = vec![0; (DRAINED << 20) + 1];
    assert_eq!(post(&router, "/twins", &huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let other = send(&router, form("/twins", "avatar", &jpeg)).await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    let unchosen = "--x\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"\"\r\n\r\n\r\n--x--\r\n";
    let unchosen = Request::post("/twins")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .body(Body::from(unchosen))
        .unwrap();
    send(&router, unchosen).await.says("No photo yet");
    let json = Request::post("/twins").header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).unwrap();
    assert_eq!(send(&router, json).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let cut = Request::post("/twins").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    let cut = cut.body(Body::from("--x\r\ncontent-disposition: form-data; name=\"photo\"\r\n\r\nhalf")).unwrap();
    let cut = send(&router, cut).await;
    assert_eq!(cut.status, StatusCode::BAD_REQUEST);
    cut.says("did not arrive whole");
}

#[tokio::test]
async fn the_api_answers_with_ids_and_numbers() {
    let (_dir, router) = router();
    let photo = painted(7).to_png();
    let got = post(&router, "/api/twins?max_price=120&currency=EUR&k=3", &photo).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.body);
    let answer: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(answer["format"], 1);
    assert_eq!(answer["photo"]["sha256"], goodtwin_core::ContentId::of(&photo).as_str());
    assert_eq!(answer["twins"].as_array().unwrap().len(), 3);
    assert_eq!(answer["twins"][0]["id"], "shop/7");
    assert_eq!(answer["twins"][0]["store"], "shop");
    assert_eq!(answer["twins"][0]["price"]["amount"], "90");
    assert_eq!(answer["twins"][0]["converted"]["amount"], "103.45");
    assert_eq!(answer["looks_like"][0]["bag_type"], "tote");
    let wrong = post(&router, "/api/twins?type=tot", &photo).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    wrong.says("did you mean `tote`?");
    let wrong = post(&router, "/api/twins?max_price=500&currency=BRL", &photo).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    wrong.says("\"There is no exchange rate for BRL: expected one of AUD, ");
    let health: Value = serde_json::from_str(&get(&router, "/healthz").await.body).unwrap();
    assert_eq!((&health["status"], &health["items"]), (&"ok".into(), &ITEMS.into()));
    assert_eq!(health["catalog"], answer["catalog"]["id"]);
}

#[tokio::test]
async fn pictures_and_assets_may_be_kept_and_nothing_else_is_served() {
    let (_dir, router) = router();
    let home = get(&router, "/").await;
    for prefix in ["src=\"/pictures/", "href=\"/assets/", "src=\"/assets/"] {
        let path = home.body.split(prefix).nth(1).unwrap().split('"').next().unwrap();
        let got = get(&router, &format!("{}{path}", prefix.split('"').nth(1).unwrap())).await;
        assert_eq!(got.status, StatusCode::OK, "{prefix}{path}");
        assert!(got.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    }
    for path in ["/pictures/..%2F..%2Fcatalog.json", "/pictures/x.jpg", "/twins/0", "/nowhere", "/assets/0/style.css"] {
        assert_eq!(get(&router, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/twins/%ff",
        "/twins/%ff/photo.jpg",
        "/like/%ff",
        "/like/%ff/%ff",
        "/pictures/%ff.jpg",
        "/assets/%ff/style.css",
    ] {
        let got = get(&router, path).await;
        assert_eq!(got.status, StatusCode::NOT_FOUND, "{path}");
        got.says("There is nothing here");
    }
    let gone = get(&router, "/twins/00000000000000000000000000000000").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    gone.says("This search is over");
    gone.says("<form class=\"upload\"");
}

#[tokio::test]
async fn an_upload_s_address_leads_back_to_the_start() {
    let (_dir, router) = router();
    let got = get(&router, "/twins").await;
    assert_eq!((got.status, got.location()), (StatusCode::SEE_OTHER, "/"));
}

#[tokio::test]
async fn what_is_not_possible_is_answered_with_what_is() {
    let (_dir, router) = router();
    for (method, path, expected) in [
        ("GET", "/api/twins", "POST"),
        ("PUT", "/twins", "POST"),
        ("POST", "/", "GET"),
        ("DELETE", "/twins/0", "GET"),
        ("POST", "/healthz", "GET"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let got = send(&router, request).await;
        assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        got.says(&format!("{method} is not possible at this address: expected {expected}."));
        let allowed = got.headers[header::ALLOW].to_str().unwrap();
        assert!(allowed.split(',').any(|allowed| allowed == expected), "{method} {path}: {allowed}");
    }
}

#[tokio::test]
async fn every_answer_is_strict_and_no_page_asks_other_hosts() {
    let (_dir, router) = router();
    let results = asked(&router, 3).await;
    for path in ["/", "/about", results.as_str(), "/nowhere", "/healthz"] {
        let got = get(&router, path).await;
        let policy = got.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(got.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(got.headers[header::REFERRER_POLICY], "no-referrer");
        for attribute in ["src=\"http", "srcset=", "@import", "style=\"", "onclick"] {
            assert_eq!(got.count(attribute), 0, "{attribute} at {path}");
        }
    }
}

/// Every event's fields, as text.
struct Log(std::sync::Mutex<String>);

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push_str(&line.0);
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}

#[tokio::test]
async fn the_log_names_routes_and_no_photo_s_address() {
    let log = Arc::new(Log(Default::default()));
    // For the whole process: what is logged where is cached for all threads at once, so that a log of this thread's own would
    // miss lines while other tests run. Theirs come here too, and hold no address of this photo.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let (_dir, router) = router();
    let path = asked(&router, 7).await;
    for path in [path.clone(), format!("{path}/photo.jpg"), format!("{path}/")] {
        get(&router, &path).await;
    }
    let log = log.0.lock().unwrap();
    let id = path.strip_prefix("/twins/").unwrap();
    for route in ["\"/twins/{id}\" status=200", "\"/twins/{id}/photo.jpg\" status=200", "\"none\" status=404"] {
        assert!(log.contains(&format!("route={route}")), "{route} in {log}");
    }
    assert!(!log.contains(id), "{log}");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let (_dir, catalog) = catalog();
    let (enter, entered) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let slow = encoder();
    let quick = slow.embed.clone();
    let first = std::sync::atomic::AtomicBool::new(true);
    let embed = move |pictures: &[Picture]| {
        // The warm-up passes; photos wait until they are let go.
        if !first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            enter.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        quick(pictures)
    };
    let slow = Encoder { embed: Arc::new(embed), ..slow };
    let app = Arc::new(App::new(catalog, slow, ServeConfig::default(), Surroundings::system()).unwrap());
    let router = routes(app.clone());
    let photo = painted(1).to_png();
    let waiting: Vec<_> = (0..crate::bench::QUEUE)
        .map(|_| {
            let (router, photo) = (router.clone(), photo.clone());
            tokio::spawn(async move { post(&router, "/twins", &photo).await.status })
        })
        .collect();
    let _entered = tokio::task::spawn_blocking(move || entered.recv().map(|()| entered)).await.unwrap().unwrap();
    while !app.bench.is_full() {
        tokio::task::yield_now().await;
    }
    let full = post(&router, "/api/twins", &photo).await;
    assert_eq!(
        (full.status, &full.headers[header::RETRY_AFTER]),
        (StatusCode::SERVICE_UNAVAILABLE, &"5".parse().unwrap())
    );
    for _ in 0..crate::bench::QUEUE {
        release.send(()).unwrap();
    }
    for photo in waiting {
        assert_eq!(photo.await.unwrap(), StatusCode::SEE_OTHER);
    }
}

/// A body that brings its parts one by one, and then nothing.
struct Slow {
    parts: VecDeque<Bytes>,
    every: tokio::time::Interval,
    ends: bool,
}

impl HttpBody for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.parts.is_empty() {
            return if self.ends { Poll::Ready(None) } else { Poll::Pending };
        }
        std::task::ready!(self.every.poll_tick(cx));
        Poll::Ready(self.parts.pop_front().map(|part| Ok(Frame::data(part))))
    }
}

/// How often a slow body brings something.
const EVERY: Duration = Duration::from_millis(50);

async fn send_slowly(router: &Router, parts: impl IntoIterator<Item = Bytes>, ends: bool) -> Got {
    let request = Request::post("/api/twins").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    let body = Slow { parts: parts.into_iter().collect(), every: tokio::time::interval(EVERY), ends };
    send(router, request.body(Body::new(body)).unwrap()).await
}

async fn stall(router: &Router, head: &'static str) -> Got {
    send_slowly(router, [head.into()], false).await
}

/// A byte at a time, for longer than a request may take.
async fn trickle(router: &Router) -> Got {
    let bytes = std::iter::repeat_n(Bytes::from("x"), (REQUEST.as_millis() / EVERY.as_millis()) as usize);
    send_slowly(router, std::iter::once(PHOTO.into()).chain(bytes), false).await
}

const PHOTO: &str = "--x\r\ncontent-disposition: form-data; name=\"photo\"\r\n\r\nhalf";
const OTHER: &str = "--x\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\nhalf";

#[tokio::test]
async fn an_upload_that_falls_silent_is_given_up() {
    let (_dir, router) = router();
    for head in ["--x", PHOTO, OTHER] {
        let got = tokio::time::timeout(REQUEST / 2, stall(&router, head)).await.unwrap();
        assert_eq!(got.status, StatusCode::REQUEST_TIMEOUT, "{head}: {}", got.body);
        got.says("\"detail\":\"Nothing more of the photo arrived");
    }
}

#[tokio::test]
async fn an_upload_that_trickles_is_given_up_and_a_slow_one_is_not() {
    let (_dir, router) = router();
    let got = tokio::time::timeout(REQUEST / 2, trickle(&router)).await.unwrap();
    assert_eq!(got.status, StatusCode::REQUEST_TIMEOUT, "{}", got.body);
    got.says("\"detail\":\"It came too slowly");
    // Twice the pace that it takes, for twice as long as it may begin in.
    let part = Bytes::from(vec![b'x'; (PACE as u128 * 2 * EVERY.as_millis() / 1000) as usize]);
    let parts = std::iter::repeat_n(part, (2 * SILENCE.as_millis() / EVERY.as_millis()) as usize);
    let photo = form("/", "photo", &painted(7).to_png()).into_body().collect().await.unwrap().to_bytes();
    let parts = std::iter::once(OTHER.into()).chain(parts).chain([Bytes::from("\r\n"), photo]);
    let got = send_slowly(&router, parts, true).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.body);
}

#[tokio::test]
async fn uploads_that_fall_silent_or_trickle_turn_nobody_away() {
    let (_dir, catalog) = catalog();
    let app = Arc::new(App::new(catalog, encoder(), ServeConfig::default(), Surroundings::system()).unwrap());
    let router = routes(app.clone());
    let silent: Vec<_> = (0..crate::bench::RECEIVING)
        .map(|n| {
            let router = router.clone();
            let upload = async move { if n % 2 == 0 { stall(&router, PHOTO).await } else { trickle(&router).await } };
            tokio::spawn(async move { upload.await.status })
        })
        .collect();
    while !app.bench.receives_all_it_may() {
        tokio::task::yield_now().await;
    }
    asked(&router, 7).await;
    for upload in silent {
        assert_eq!(upload.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    }
}

#[test]
fn a_catalogue_starts_whatever_its_pictures_are() {
    let (_dir, catalog) = catalog();
    // The thumbnail of a picture of 960 x 20: too thin for a photo.
    let thin = Picture::new(480, 10, vec![90; 480 * 10 * 3]).to_jpeg(80);
    std::fs::write(catalog.thumbnail(&catalog.rows[0].sha256), thin).unwrap();
    App::new(catalog, encoder(), ServeConfig::default(), Surroundings::system()).unwrap();
}

#[test]
fn another_model_is_not_served() {
    let (_dir, catalog) = catalog();
    let other = Encoder { model: goodtwin_core::ContentId::of("another"), ..encoder() };
    let error = App::new(catalog, other, ServeConfig::default(), Surroundings::system()).err().unwrap();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("the model that made the catalogue"), "{error}");
}
