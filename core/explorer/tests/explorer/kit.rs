//! A server without a network, over a small store.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use core_explorer::{
    AccessToken, Explorer, FindingsChange, Host, HostError, ProxyUsers, Read, Role, SessionFuture,
    Settings, TenantStatus, Tokens,
};
use core_query::questions::Questions;
use core_query::{ColumnView, QuerySession, QuerySettings, Withholding};
use core_store::{
    Cleansing, Draft, Generation, Location, Outcome, Staging, Store, Table, TableDeclaration,
    TableKind, TenantStore,
};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The host that requests name.
pub(crate) const HOST: &str = "127.0.0.1:8490";

/// The name under which a proxy serves it.
pub(crate) const PUBLIC_HOST: &str = "graph.acme.example";

/// A host with a clock that stands still, and random numbers that count.
pub(crate) struct TestHost {
    store: Store,
    pub(crate) now_ms: AtomicU64,
    counter: AtomicU64,
    /// True if it panics where it is asked for questions.
    pub(crate) has_defect: AtomicBool,
    pub(crate) reads: Mutex<Vec<String>>,
    pub(crate) changes: Mutex<Vec<String>>,
    /// The script of a shell in place of a process that answers a query.
    worker: &'static str,
}

impl TestHost {
    /// The tenant of the store.
    pub(crate) fn tenant(&self) -> TenantStore {
        self.store.tenant("acme").expect("a name")
    }
}

impl Host for TestHost {
    fn tenants(&self) -> Result<Vec<TenantStore>, HostError> {
        Ok(self.store.tenants()?)
    }

    fn status(&self, _: &TenantStore) -> Result<TenantStatus, HostError> {
        Ok(TenantStatus::default())
    }

    fn questions(&self) -> Result<Questions, HostError> {
        assert!(!self.has_defect.load(Ordering::Relaxed), "a defect that a test wants");
        Ok(Questions::shipped()?)
    }

    fn types_of_step(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn fill_random(&self, buffer: &mut [u8]) -> io::Result<()> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        buffer.fill(u8::try_from(number % 251).expect("small"));
        Ok(())
    }

    fn record_read(&self, tenant: &TenantStore, read: &Read<'_>) {
        let line = format!("{} {} {}", tenant.name(), read.user, read.view);
        self.reads.lock().expect("no test panics with it").push(line);
    }

    fn record_change(
        &self,
        tenant: &TenantStore,
        change: &FindingsChange<'_>,
    ) -> Result<(), HostError> {
        let FindingsChange { action, findings, user } = change;
        let line = format!("{} {user} {action} {findings}", tenant.name());
        self.changes.lock().expect("no test panics with it").push(line);
        Ok(())
    }

    fn account(&self) -> String {
        "the account".to_owned()
    }

    fn lock_owner(&self) -> String {
        "a test".to_owned()
    }

    fn new_id(&self) -> Result<String, HostError> {
        Ok(self.counter.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn open_session<'a>(&'a self, generation: &'a Generation, role: Role) -> SessionFuture<'a> {
        Box::pin(async move {
            let mut session = QuerySession::empty(QuerySettings::default())?;
            if role == Role::Viewer {
                let view = |_: &str, column: &str| match column {
                    "serial" => ColumnView::Withheld,
                    _ => ColumnView::Stored,
                };
                session = session.withholding(Withholding::new(view, "sign in as an analyst"));
            }
            session.add_generation(generation).await?;
            Ok(session)
        })
    }

    fn tables_on_demand(&self) -> &'static [&'static str] {
        &["software_eol"]
    }

    fn start_worker(&self) -> io::Result<Child> {
        let mut command = Command::new("sh");
        command.args(["-c", self.worker]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    }
}

/// A server.
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) host: Arc<TestHost>,
    pub(crate) first_token: String,
    pub(crate) tokens: Tokens,
    pub(crate) viewer: String,
    _folder: TempDir,
}

/// A server over a store with a small generation.
pub(crate) fn served() -> Served {
    served_with("cat > /dev/null; printf '{\"ok\":true}\\n{\"rows\":[],\"total\":0}'")
}

/// The same with another shell command in place of the process of a query.
pub(crate) fn served_with(worker: &'static str) -> Served {
    start(worker, None)
}

/// A server behind a proxy that names its users in a header.
pub(crate) fn served_behind_proxy() -> Served {
    let header = "x-forwarded-user".to_owned();
    start("exit 1", Some(ProxyUsers { header, role: Role::Viewer }))
}

fn start(worker: &'static str, proxy_users: Option<ProxyUsers>) -> Served {
    let folder = TempDir::new().expect("a folder can be made");
    let store = Store::open(Location::Folder(folder.path().join("store"))).expect("opened");
    let tenant = store.tenant("acme").expect("a name");
    publish(&tenant, FIRST, "2026-03-01T08:00:00Z", &["device-1 <b>", "device-2"]);
    let host = Arc::new(TestHost {
        store,
        now_ms: AtomicU64::new(1_000_000),
        has_defect: AtomicBool::new(false),
        counter: AtomicU64::new(1),
        reads: Mutex::default(),
        changes: Mutex::default(),
        worker,
    });
    let (viewer, token) =
        AccessToken::new("helpdesk", Role::Viewer, |bytes| host.fill_random(bytes))
            .expect("random");
    let tokens = Tokens::new(vec![token]);
    let settings = Settings {
        hosts: [HOST, "localhost:8490", PUBLIC_HOST].map(str::to_owned).to_vec(),
        port: 8490,
        is_secure: false,
        is_local: true,
        tokens: tokens.clone(),
        proxy_users,
        query_timeout: Duration::from_millis(400),
        parallel_queries: 2,
        web_folder: None,
    };
    let explorer = Arc::new(Explorer::new(Arc::clone(&host) as Arc<dyn Host>, settings));
    let first_token = explorer.issue_first_token().expect("random");
    Served { router: explorer.router(), host, first_token, viewer, tokens, _folder: folder }
}

/// The generation of every server.
pub(crate) const FIRST: &str = "01JN7Z1M80000000000000000A";

/// The one that [`Served::publish_next`] adds.
pub(crate) const NEXT: &str = "01JN9Y1M80000000000000000B";

fn publish(tenant: &TenantStore, id: &str, created_at: &str, devices: &[&str]) {
    let lock = tenant.lock("a test").expect("free");
    let staging = lock.stage(id.parse().expect("an ID")).expect("staged");
    let draft = Draft {
        region: "eu".to_owned(),
        created_at: created_at.to_owned(),
        outcome: Outcome::Complete,
        privacy: None,
        tables: tables(&staging, devices),
    };
    staging.publish(draft, &[]).expect("published");
}

/// Some devices and two packages.
fn tables(staging: &Staging, keys: &[&str]) -> Vec<Table> {
    let text = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from_iter_values(values)) };
    let named = |keys: &[&str], names: &[&str]| {
        let columns = [("_key", text(keys)), ("name", text(names)), ("displayName", text(names))];
        RecordBatch::try_from_iter(columns).expect("columns of one length")
    };
    let titles = ["device one", "device two", "device three"];
    let columns = [
        ("_key", text(keys)),
        ("name", text(&titles[..keys.len()])),
        ("displayName", text(&titles[..keys.len()])),
        ("serial", text(&["S1", "S1", "S3"][..keys.len()])),
    ];
    let devices = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let packages = named(&["package-1", "package-2"], &["one", "two"]);
    let coded = |keys: [&str; 3]| -> ArrayRef {
        Arc::new(keys.into_iter().collect::<DictionaryArray<Int32Type>>())
    };
    let ends = [
        ("_fromEntityKey", coded(["device-1 <b>", "device-1 <b>", "device-2"])),
        ("_toEntityKey", coded(["package-1", "package-2", "package-1"])),
    ];
    let installed = RecordBatch::try_from_iter(ends).expect("columns of one length");
    let edges = Some(("nexthink_device".to_owned(), "nexthink_package".to_owned()));
    [
        (TableKind::Entity, "nexthink_device", "Device", None, devices),
        (TableKind::Entity, "nexthink_package", "Application", None, packages),
        (
            TableKind::Relationship,
            "nexthink_device_installed_package",
            "INSTALLED",
            edges,
            installed,
        ),
    ]
    .map(|(kind, name, class, ends, rows)| {
        let declaration = TableDeclaration {
            kind,
            name: name.to_owned(),
            class: vec![class.to_owned()],
            ends,
            schema: rows.schema(),
            personal_columns: Vec::new(),
        };
        let mut writer = staging.table(declaration).expect("a table");
        writer.write(&rows).expect("written");
        writer.finish().expect("finished")
    })
    .into()
}

impl Served {
    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("a router always answers")
    }

    /// Publishes a generation with one device more, as a run does while the page is open.
    pub(crate) fn publish_next(&self) {
        let devices = ["device-1 <b>", "device-2", "device-3"];
        publish(&self.host.tenant(), NEXT, "2026-03-02T08:00:00Z", &devices);
    }

    /// Erases the last device, as a command does while the page is open.
    pub(crate) fn erase_last_device(&self) {
        let lock = self.host.tenant().lock("a test").expect("free");
        lock.set_erasures(&BTreeSet::from(["e-1".to_owned()])).expect("there is room");
        let keep = |table: &Table, batch: &RecordBatch| {
            let is_changed = table.name == "nexthink_device";
            is_changed.then(|| batch.slice(0, batch.num_rows() - 1))
        };
        let cleansing = Cleansing { personal_columns: &|_| Vec::new(), keep: &keep };
        lock.cleanse(&cleansing).expect("the store is whole");
    }

    /// Publishes the first generation of another tenant, with one device.
    pub(crate) fn publish_other(&self) {
        let tenant = self.host.store.tenant("beta").expect("a name");
        publish(&tenant, FIRST, "2026-03-01T08:00:00Z", &["device-1 <b>"]);
    }

    /// Sends JSON as the user of the viewer's token.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(path).header("host", HOST);
        let request = request
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.viewer));
        let response =
            self.send(request.body(Body::from(body.to_string())).expect("a request")).await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap_or_default())
    }

    /// Reads an address as the user of the viewer's token.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("host", HOST);
        let request = request.header("authorization", format!("Bearer {}", self.viewer));
        let response = self.send(request.body(Body::empty()).expect("a request")).await;
        let status = response.status();
        (status, serde_json::from_str(&text(response).await).unwrap_or_default())
    }

    /// Opens the printed address. Returns the cookie.
    pub(crate) async fn sign_in(&self) -> String {
        let path = format!("/session?token={}", self.first_token);
        let request = Request::get(path).header("host", HOST).body(Body::empty());
        let response = self.send(request.expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

/// The body of an answer.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("text")
}
