//! `authbench revoke --target` on applications whose lag is known.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use authbench_harness::record::foreign::{ForeignRecord, Verdict, read};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

const BINARY: &str = env!("CARGO_BIN_EXE_authbench");

/// How an application treats a credential after its logout.
#[derive(Clone, Copy)]
enum After {
    /// It goes on accepting it for this long.
    Accepts(Duration),
    /// It never refuses it.
    Never,
    /// It accepts anything at all.
    Anything,
    /// It breaks.
    Breaks,
    /// It asks for a login with status 200.
    Page,
}

/// Who is logged in, and since when no more.
#[derive(Default)]
struct Sessions {
    issued: u64,
    /// User, and when it was logged out.
    known: HashMap<String, (String, Option<Instant>)>,
}

#[derive(Clone)]
struct App {
    after: After,
    /// Of the second node alone: the first refuses at once.
    second_only: bool,
    is_second: bool,
    sessions: Arc<Mutex<Sessions>>,
}

fn sid(headers: &HeaderMap) -> String {
    let cookie = headers.get("cookie").and_then(|v| v.to_str().ok()).unwrap_or_default();
    cookie.strip_prefix("sid=").unwrap_or_default().to_owned()
}

async fn login(State(app): State<App>, user: String) -> Response {
    let mut sessions = app.sessions.lock().unwrap();
    sessions.issued += 1;
    let id = format!("secret-{:020}-credential", sessions.issued);
    sessions.known.insert(id.clone(), (user, None));
    let cookie = format!("sid={id}; Path=/; HttpOnly");
    (StatusCode::SEE_OTHER, [("set-cookie", cookie), ("location", "/".into())]).into_response()
}

async fn me(State(app): State<App>, headers: HeaderMap) -> Response {
    let known = app.sessions.lock().unwrap().known.get(&sid(&headers)).cloned();
    let out_for = match known {
        None if matches!(app.after, After::Anything) => return "welcome".into_response(),
        None if matches!(app.after, After::Page) => return "please log in".into_response(),
        None => return StatusCode::UNAUTHORIZED.into_response(),
        Some((_, None)) => return "welcome".into_response(),
        Some((_, Some(since))) => since.elapsed(),
    };
    let refused = StatusCode::UNAUTHORIZED.into_response();
    match app.after {
        _ if app.second_only && !app.is_second => refused,
        After::Accepts(lag) if out_for <= lag => "welcome".into_response(),
        After::Accepts(_) => refused,
        After::Never | After::Anything => "welcome".into_response(),
        After::Breaks => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        After::Page => "please log in".into_response(),
    }
}

async fn logout(State(app): State<App>, headers: HeaderMap) -> StatusCode {
    // The truth's begin: the acknowledgement follows at once.
    let mut sessions = app.sessions.lock().unwrap();
    match sessions.known.get_mut(&sid(&headers)) {
        Some((_, out)) => {
            *out = Some(Instant::now());
            StatusCode::NO_CONTENT
        }
        None => StatusCode::FORBIDDEN,
    }
}

async fn logout_all(State(app): State<App>, headers: HeaderMap) -> StatusCode {
    let mut sessions = app.sessions.lock().unwrap();
    let Some((user, _)) = sessions.known.get(&sid(&headers)).cloned() else {
        return StatusCode::FORBIDDEN;
    };
    for (own, out) in sessions.known.values_mut() {
        if *own == user {
            *out = Some(Instant::now());
        }
    }
    StatusCode::NO_CONTENT
}

/// Two nodes of one application, for as long as the program runs.
fn start(after: After, second_only: bool) -> [SocketAddr; 2] {
    let sessions = Arc::new(Mutex::new(Sessions::default()));
    [false, true].map(|is_second| {
        let app = App { after, second_only, is_second, sessions: Arc::clone(&sessions) };
        let routes = Router::new()
            .route("/login", post(login))
            .route("/me", get(me))
            .route("/logout", post(logout))
            .route("/logout-all", post(logout_all))
            .with_state(app);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, routes).await.unwrap();
            });
        });
        address
    })
}

fn target(nodes: &[SocketAddr], top: &str, request: &str) -> String {
    let urls: Vec<String> = nodes.iter().map(|node| format!("\"http://{node}\"")).collect();
    format!(
        "base_urls = [{}]\n{top}\n\
         [login]\npath = \"/login\"\nbody = \"{{user}}\"\naccept = [303]\ncookie = \"sid\"\n\
         [request]\npath = \"/me\"\nheaders = {{ Cookie = \"sid={{credential}}\" }}\n{request}\n\
         [logout]\npath = \"/logout\"\nheaders = {{ Cookie = \"sid={{credential}}\" }}\n",
        urls.join(", ")
    )
}

const REQUEST: &str = "accept = [200]\nrefuse = [401]";

fn revoke(folder: &Path, text: &str, more: &[&str]) -> Output {
    let file = folder.join("app.toml");
    std::fs::write(&file, text).unwrap();
    Command::new(BINARY).arg("revoke").arg("--target").arg(file).args(more).output().unwrap()
}

/// Runs it and reads its record; also the page.
fn measured(text: &str, status: i32) -> (ForeignRecord, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.json");
    let output = revoke(folder.path(), text, &["--record", &file.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}\n{page}");
    let text = std::fs::read_to_string(&file).unwrap();
    for leak in [&text, &said, &page] {
        assert!(!leak.contains("secret-"), "a credential is in {leak}");
    }
    (read(&file).unwrap(), page)
}

#[test]
fn a_known_lag_is_found_to_within_one_interval() {
    let lag = Duration::from_millis(30);
    let nodes = start(After::Accepts(lag), true);
    let top = "rate_per_second = 2000\ntrials = 8\nprobe_interval_ms = 4\nwatch_ms = 100\n\
               age_up_to_ms = 40";
    let (record, page) = measured(&target(&nodes, top, REQUEST), 0);
    let series = &record.series[0];
    assert_eq!((series.figures.n, series.figures.not_settled), (8, 0), "{page}");
    for trial in &series.trials {
        assert_eq!(trial.verdict, Verdict::Settled);
        let (last, first) = (trial.last_accepted_ns.unwrap(), trial.first_refused_ns.unwrap());
        // The application's clock starts before the acknowledgement is read, and a probe is judged
        // after it was sent: the truth lies within the trial's interval, widened by its calls.
        assert!(last <= 30_000_000, "{trial:?}");
        assert!(first + i64::try_from(trial.call_ns).unwrap() + 20_000_000 > 30_000_000);
        assert!(trial.stale_accepts > 0, "{trial:?}");
    }
    // One trial at least was not delayed by this machine.
    let best = series.trials.iter().filter_map(|t| t.last_accepted_ns).max().unwrap();
    assert!((25_000_000..=30_000_000).contains(&best), "{best}\n{page}");
    assert!(page.contains("all settled") && page.contains("100 %"), "{page}");
    assert!(page.contains("needs 59 trials"), "{page}");
}

#[test]
fn one_that_never_refuses_is_a_result_and_not_an_error() {
    let nodes = start(After::Never, false);
    let top = "rate_per_second = 1000\ntrials = 2\nprobe_interval_ms = 4\nwatch_ms = 60\n\
               age_up_to_ms = 0";
    let (record, page) = measured(&target(&nodes[..1], top, REQUEST), 0);
    let series = &record.series[0];
    assert!(series.trials.iter().all(|trial| trial.verdict == Verdict::NotSettled), "{page}");
    assert!(series.trials.iter().all(|trial| trial.last_accepted_ns > Some(60_000_000)), "{page}");
    assert_eq!((series.figures.max_ns, series.figures.not_settled), (None, 2));
    assert!(page.contains("still accepted 60 ms after the logout"), "{page}");
}

#[test]
fn logging_out_everywhere_is_measured_on_another_credential() {
    let nodes = start(After::Accepts(Duration::ZERO), false);
    let top = "rate_per_second = 2000\ntrials = 3\nprobe_interval_ms = 4\nwatch_ms = 20\n\
               age_up_to_ms = 0";
    let all = "[logout_all]\npath = \"/logout-all\"\nheaders = { Cookie = \"sid={credential}\" }\n";
    let (record, page) = measured(&(target(&nodes, top, REQUEST) + all), 0);
    let names: Vec<&str> = record.series.iter().map(|series| &*series.operation).collect();
    assert_eq!(names, ["logout", "logout-all"]);
    assert!(record.series.iter().all(|series| series.figures.not_settled == 0), "{page}");
}

#[test]
fn an_application_that_accepts_anything_voids_the_measurement() {
    let nodes = start(After::Anything, false);
    let top = "trials = 2\nwatch_ms = 20";
    let (record, page) = measured(&target(&nodes, top, REQUEST), 4);
    assert!(record.series.is_empty() && record.controls.tampered_refused == 0);
    assert!(page.contains("VOID") && page.contains("2 of 2 nodes"), "{page}");
}

#[test]
fn an_application_that_breaks_is_not_judged() {
    let nodes = start(After::Breaks, false);
    let top = "rate_per_second = 1000\ntrials = 2\nprobe_interval_ms = 4\nwatch_ms = 20";
    let (record, page) = measured(&target(&nodes[..1], top, REQUEST), 4);
    assert_eq!((record.series[0].figures.n, record.series[0].figures.unjudged), (0, 2));
    assert!(page.contains("neither accepted nor refused"), "{page}");
}

#[test]
fn a_refusal_may_be_a_page_without_the_marker() {
    let nodes = start(After::Page, false);
    let top = "rate_per_second = 1000\ntrials = 2\nprobe_interval_ms = 4\nwatch_ms = 20";
    let request = "accept = [200]\nrefuse = []\naccept_contains = \"welcome\"";
    let (record, page) = measured(&target(&nodes[..1], top, request), 0);
    assert_eq!(
        (record.series[0].figures.n, record.series[0].figures.not_settled),
        (2, 0),
        "{page}"
    );
}

#[test]
fn a_dry_run_sends_nothing_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = target(&[([127, 0, 0, 1], 1).into()], "trials = 2", REQUEST)
        .replace("[login]\n", "[login]\nheaders = { X-Api-Key = \"hunter2\" }\n")
        .replace("body = \"{user}\"", "body = '{\"user\":\"{user}\",\"password\":\"hunter3\"}'");
    let output = revoke(folder.path(), &text, &["--dry-run"]);
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(page.contains("GET /me HTTP/1.1") && page.contains("Cookie: sid={credential}"));
    assert!(!page.contains("hunter"), "{page}");
    let extent = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(extent.contains("3 logins, 3 logouts"), "{extent}");
}

#[test]
fn what_is_wrong_with_a_target_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = target(&[([127, 0, 0, 1], 1).into()], "trials = 2", REQUEST);
    for (from, to, wanted) in [
        ("trials = 2", "trails = 2", "line 2: unknown field `trails`"),
        ("trials = 2", "trials = 0", "`trials` is 0; it must be 1 to 1000"),
        ("trials = 2", "rate_per_second = 2001", "`rate_per_second` is 2001"),
        ("trials = 2", "probe_interval_ms = 1", "lengthen the one or raise the other"),
        ("cookie = \"sid\"", "", "one of `cookie`, `json` and `header`"),
        ("cookie = \"sid\"", "json = \"token\"", "a JSON pointer begins with `/`"),
        ("refuse = [401]", "refuse = [200]", "accept_contains"),
        ("refuse = [401]", "refuse = []", "what a refusal is"),
        ("sid={credential}", "sid=x", "[request] does not present {credential}"),
        ("sid={credential}", "sid={credentials}", "{credentials} is no placeholder"),
        ("path = \"/me\"", "path = \"me\"", "must begin with `/`"),
        ("path = \"/me\"", "path = \"/me\"\nmethod = \"HEAD\"", "`method` is `HEAD`"),
        ("{ Cookie", "{ Host = \"x\", Cookie", "sets `Host`"),
        ("http://", "https://", "TLS terminator"),
        ("http://127.0.0.1", "http://192.0.2.7", "--i-own-this"),
    ] {
        let output = revoke(folder.path(), &good.replacen(from, to, 1), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{to}: {said}");
        assert!(said.contains(wanted), "{to}: {said}");
    }
    let output = revoke(folder.path(), &good, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is it running?"), "{said}");
}
