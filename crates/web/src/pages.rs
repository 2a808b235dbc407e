//! The pages.

use std::sync::Arc;

use askama::Template;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Multipart, Query as Parameters, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use goodtwin_core::{ContentId, Row};
use goodtwin_inference::{Filters, Look, Twin};

use crate::filters::{FilterForm, SHOWN_AT_MOST};
use crate::queries::Query;
use crate::segments::Segments;
use crate::view::{self, About, Home, Results, Subject};
use crate::{App, Problem, assets, upload};

type Answer = Result<Response, Problem>;
type Form = Result<Parameters<FilterForm>, QueryRejection>;

/// `GET /`
pub async fn home(State(app): State<Arc<App>>) -> Answer {
    page(Home::new(&app))
}

/// `GET /about`
pub async fn about(State(app): State<Arc<App>>) -> Answer {
    page(About::new(&app))
}

/// `POST /twins`: look at a photo, and send the browser to its page.
pub async fn upload(State(app): State<Arc<App>>, form: Result<Multipart, MultipartRejection>) -> Answer {
    let cap_mib = app.config.upload_mib;
    let query = app.bench.take(upload::photo(form, cap_mib)).await.map_err(|problem| problem.with_upload(cap_mib))?;
    let id = app.fresh_id()?;
    app.queries.insert(id, query, app.now());
    Ok(Redirect::to(&format!("/twins/{id}")).into_response())
}

/// `GET /twins`: whoever reloads what an upload answered, or comes back to it, starts again.
pub async fn start_again() -> Redirect {
    Redirect::to("/")
}

/// `GET /twins/{id}`
pub async fn twins_of_photo(State(app): State<Arc<App>>, Segments(id): Segments<String>, form: Form) -> Answer {
    let query = kept(&app, &id)?;
    let subject = Subject::photo(&id, &query);
    results(&app, subject, query.look(), None, form)
}

/// `GET /like/{picture}`: twins of a picture of the catalogue.
pub async fn twins_of_picture(State(app): State<Arc<App>>, Segments(picture): Segments<String>, form: Form) -> Answer {
    twins_of_row(&app, |row| row.sha256.as_str() == picture, form)
}

/// `GET /like/{picture}/{item}`: twins of an offer by one of its pictures. Two offers may share a picture, and each is a twin of
/// the other.
pub async fn twins_of_offer(
    State(app): State<Arc<App>>,
    Segments((picture, item)): Segments<(String, String)>,
    form: Form,
) -> Answer {
    let offered = |row: &Row| row.item.as_ref().is_some_and(|offer| offer.id.as_str() == item);
    twins_of_row(&app, |row| row.sha256.as_str() == picture && offered(row), form)
}

fn twins_of_row(app: &App, is_it: impl Fn(&Row) -> bool, form: Form) -> Answer {
    let at = app.catalog.rows.iter().position(is_it).ok_or_else(Problem::not_found)?;
    let row = &app.catalog.rows[at];
    results(app, Subject::picture(row), app.catalog.look(at), Some(row), form)
}

/// `GET /twins/{id}/photo.jpg`
pub async fn preview(State(app): State<Arc<App>>, Segments(id): Segments<String>) -> Answer {
    let query = kept(&app, &id)?;
    Ok(jpeg(query.preview.clone(), "private, no-store"))
}

/// `GET /pictures/{sha256}.jpg`
pub async fn picture(State(app): State<Arc<App>>, Segments(name): Segments<String>) -> Answer {
    let sha256 = name.strip_suffix(".jpg").and_then(|id| ContentId::try_from(id.to_owned()).ok());
    let path = app.catalog.thumbnail(&sha256.ok_or_else(Problem::not_found)?);
    match tokio::fs::read(&path).await {
        Ok(bytes) => Ok(jpeg(bytes.into(), assets::FOREVER)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Problem::not_found()),
        Err(e) => Err(Problem::internal(format!("{}: {e}", path.display()))),
    }
}

fn kept(app: &App, id: &str) -> Result<Arc<Query>, Problem> {
    let query = id.parse().ok().and_then(|id| app.queries.get(id, app.now()));
    query.ok_or_else(|| {
        let text = "Photos are kept for an hour at most after you last looked, and never on disk. Choose yours again.";
        Problem::new(StatusCode::NOT_FOUND, "This search is over", text).with_upload(app.config.upload_mib)
    })
}

/// Twins of a look, without the item that it is of.
fn results(app: &App, subject: Subject, look: Look<'_>, of: Option<&Row>, form: Form) -> Answer {
    let Parameters(form) = form.map_err(|rejection| {
        let title = "These filters cannot be read";
        Problem::new(StatusCode::BAD_REQUEST, title, rejection.body_text())
    })?;
    let asked = form.read(&app.catalog, &app.config);
    let itself = of.map(|row| Twin { score: 1.0, row }.id());
    let find = |filters: &Filters, k: usize| -> Result<Vec<Twin<'_>>, Problem> {
        // One more than is shown tells whether there are more, and one is the item itself.
        let found = app.catalog.search(look, asked.colour_weight, filters, k + 2, &app.config.exchange);
        let found = found.map_err(Problem::internal)?;
        Ok(found.into_iter().filter(|twin| itself != Some(twin.id())).take(k + 1).collect())
    };
    let count = |filters: &Filters| {
        let others = app.catalog.items().filter(|&row| itself != Some(Twin { score: 1.0, row }.id()));
        others.filter(|row| filters.keep(row, &app.config.exchange)).count()
    };
    let mut twins = find(&asked.filters, asked.show)?;
    let more = twins.len() > asked.show && asked.show < SHOWN_AT_MOST;
    twins.truncate(asked.show);
    let without = twins.is_empty().then(|| view::Without {
        price: count(&Filters { max_price: None, ..asked.filters.clone() }),
        filters: count(&Filters::default()),
    });
    let status = if asked.wrong.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = page(Results::new(app, subject, &form, &asked, &twins, more, without))?;
    Ok((status, page).into_response())
}

fn jpeg(bytes: bytes::Bytes, cache: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (header::CACHE_CONTROL, cache.parse().expect("ASCII")),
    ];
    (headers, bytes).into_response()
}

fn page(page: impl Template) -> Answer {
    let html = page.render().map_err(Problem::internal)?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], Html(html)).into_response())
}
